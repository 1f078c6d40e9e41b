"""Kill trainings at random moments: ``python kill.py N FOLDER``.

Each round starts a training with a checkpoint, kills it (SIGKILL), reads the checkpoint, and starts
again, until the training ends by itself; its weights must be those of a training that nobody disturbed.
A checkpoint is written each epoch, so most moments lie within a write. Random moments: a random number
of epochs after the start, and a random share of a few milliseconds after that.
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
    """Train, a line an epoch, and print the digest of the weights."""
    import numpy as np

    from sklearn_extra_ml.neural_network import AutoEncoder, _checkpoint

    _checkpoint._SECONDS_BETWEEN_CHECKPOINTS = 0.0  # every epoch: most moments are within a write
    X = np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32)
    model = AutoEncoder(
        hidden_layer_sizes=(32,),
        max_iter=N_EPOCHS,
        batch_size=128,
        dropout=0.1,
        ema_decay=0.99,
        random_state=0,
        checkpoint_dir=folder or None,
        verbose=True,
    ).fit(X)
    digest = hashlib.sha256(model.predict(X).tobytes())
    for tensor in model.net_.module_.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    print(digest.hexdigest())


def start(folder):
    command = [sys.executable, "-u", __file__, "--train", folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def epochs_seen(child, n_epochs):
    """Read the lines of so many epochs; return the digest if the training ended before, else None."""
    for line in child.stdout:
        if not line.startswith("Iteration"):
            return line.strip()
        n_epochs -= 1
        if n_epochs == 0:
            return None
    raise RuntimeError("the training died by itself")


def main(n_kills, folder):
    from sklearn_extra_ml._torch._storage import read_checkpoint

    expected = epochs_seen(start(""), N_EPOCHS + 1)
    moments, epochs, n_rounds = random.Random(0), [], 0
    while len(epochs) < n_kills:
        target = Path(folder) / f"round{n_rounds}"
        n_rounds += 1
        found = None
        while found is None:
            child = start(str(target))
            left = len(epochs) < n_kills
            found = epochs_seen(child, moments.randint(1, N_EPOCHS // 3) if left else N_EPOCHS + 1)
            if found is None:
                time.sleep(moments.uniform(0, 0.005))
                os.kill(child.pid, signal.SIGKILL)
                (path,) = target.glob("*.pt")
                epochs.append(len(read_checkpoint(path)["net"]["history"]))
            child.wait()
        assert found == expected, f"{found} instead of {expected}"
    print(f"{len(epochs)} kills at epochs {epochs}: {n_rounds} trainings, all ended bit-equal")


if __name__ == "__main__":
    if sys.argv[1] == "--train":
        train(sys.argv[2])
    else:
        main(int(sys.argv[1]), sys.argv[2])
