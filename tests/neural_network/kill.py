"""Kill trainings at random moments: ``python kill.py N FOLDER``.

Each round starts a training with a checkpoint, kills it (SIGKILL), reads the checkpoint if there is
one, and starts again, until the training ends by itself; its weights must be those of a training that
nobody disturbed. Random moments: uniform over the time that an undisturbed training takes.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

N_EPOCHS = 150


def train(folder):
    """Train, saying "begun" before and the digest of the weights after."""
    import numpy as np

    from sklearn_extra_ml.neural_network import AutoEncoder, _base

    _base._SECONDS_BETWEEN_CHECKPOINTS = 0.0  # every epoch: most moments are within a write
    X = np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32)
    print("begun", flush=True)
    model = AutoEncoder(
        hidden_layer_sizes=(32,),
        max_iter=N_EPOCHS,
        batch_size=128,
        dropout=0.1,
        ema_decay=0.99,
        random_state=0,
        checkpoint_dir=folder or None,
    ).fit(X)
    digest = hashlib.sha256(model.predict(X).tobytes())
    for tensor in model.net_.module_.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    print(digest.hexdigest(), flush=True)


def start(folder):
    return subprocess.Popen(
        [sys.executable, __file__, "--train", folder], stdout=subprocess.PIPE, text=True
    )


def main(n_kills, folder):
    from sklearn_extra_ml._torch._state import read_checkpoint

    child = start("")
    assert child.stdout.readline() == "begun\n"
    begun = time.monotonic()
    expected = child.stdout.readline().strip()
    child.wait()
    duration, moments = time.monotonic() - begun, random.Random(0)
    n_done = n_read = 0
    epochs = []
    while n_done < n_kills:
        target = Path(folder) / f"round{n_done}"
        while True:
            child = start(str(target))
            assert child.stdout.readline() == "begun\n"
            time.sleep(moments.uniform(0, duration))
            if child.poll() is not None or n_done == n_kills:
                break
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            n_done += 1
            for path in target.glob("*.pt"):
                epochs.append(len(read_checkpoint(path)["net"]["history"]))
                n_read += 1
        found = child.stdout.readline().strip()
        child.wait()
        assert found == expected, f"{found} instead of {expected}"
    print(f"{n_done} kills, {n_read} checkpoints read (epochs {epochs}), every end bit-equal")


if __name__ == "__main__":
    if sys.argv[1] == "--train":
        train(sys.argv[2])
    else:
        main(int(sys.argv[1]), sys.argv[2])
