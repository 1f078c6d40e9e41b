"""The training core on a GPU, beside the CPU: ours against hand-written loops and bare skorch.

``python benchmarks/gpu_training.py [--epochs N] [--repeats N] > results/gpu_training.json``. Needs
torch, skorch, scikit-learn and the Python files of the package, none of its compiled kernels. Prints
one JSON object: seconds an epoch (10,000 x 64, batch 256: 40 steps) of each contender on each device,
each the median of the repeats after a warm-up, with the final loss beside it; and checks of what only
a GPU can show.
"""

import argparse
import copy
import json
import pickle
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from autoencoder_task import Given, make_data, make_network

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn_extra_ml.neural_network import VAE, AutoEncoder

N, BATCH = 10_000, 256


def ours(X, device, n_epochs, **parameters):
    model = AutoEncoder(
        8,
        module=Given(make_network()),
        standardize=False,
        learning_rate="constant",
        max_iter=n_epochs,
        batch_size=BATCH,
        device=device,
        random_state=0,
        **parameters,
    ).fit(X)
    return model.loss_curve_[-1]


def hand_loop(X, device, n_epochs, **optimizer):
    net = make_network().to(device)
    X = torch.from_numpy(X).to(device)
    optim = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, **optimizer)
    for _ in range(n_epochs):
        order = torch.randperm(N, device=device)
        total = torch.zeros((), device=device)
        for start in range(0, N, BATCH):
            batch = X[order[start : start + BATCH]]
            loss = torch.nn.functional.mse_loss(net(batch), batch)
            optim.zero_grad()
            loss.backward()
            optim.step()
            total += loss.detach() * len(batch)
    return float(total) / N


def bare_skorch(X, device, n_epochs):
    import skorch

    net = skorch.NeuralNetRegressor(
        make_network(),
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-4,
        lr=1e-3,
        max_epochs=n_epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=device,
    ).fit(X, X)
    return net.history[-1, "train_loss"]


CONTENDERS = {
    "ours": ours,
    "ours, eager": lambda *a: ours(*a, cuda_graph=False),
    "ours, tf32": lambda *a: ours(*a, precision="tf32"),
    "ours, bf16": lambda *a: ours(*a, precision="bf16"),
    "PyTorch loop, AdamW": hand_loop,
    "PyTorch loop, fused AdamW": lambda *a: hand_loop(*a, fused=True),
    "skorch": bare_skorch,
}


def measure(run, X, device, n_epochs, repeats):
    """Return the seconds an epoch (fits of `n_epochs`), the first fit left out."""
    run(X, device, 2)
    seconds, loss = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        loss = run(X, device, n_epochs)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / n_epochs)
    return {"seconds_an_epoch": statistics.median(seconds), "all": seconds, "loss": loss}


def check_gpu(X):
    """Return named facts about graphs, pickles and checkpoints on the GPU."""
    X, facts = X[:2100], {}  # 8 full batches and a remainder of 52 rows
    common = dict(max_iter=40, device="cuda", random_state=0)

    def fit(cls=AutoEncoder, **parameters):
        return cls(8, **(common | parameters)).fit(X)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphed, again = fit(cuda_graph=True), fit(cuda_graph=True)
        eager = fit(cuda_graph=False)
        facts["two graphed fits, largest difference of the loss"] = float(
            np.abs(np.subtract(graphed.loss_curve_, again.loss_curve_)).max()
        )
        facts["graphed against eager, largest relative difference of the loss"] = float(
            np.abs(np.divide(graphed.loss_curve_, eager.loss_curve_) - 1).max()
        )
        facts["last loss"] = [graphed.loss_curve_[-1], eager.loss_curve_[-1]]
        noisy = dict(
            dropout=0.1, noise="gaussian", ema_decay=0.99, max_grad_norm=1.0, warmup=0.1,
            normalization="batch", early_stopping=True,
        )  # fmt: skip
        both = [fit(**noisy, cuda_graph=g).loss_curve_[-1] for g in (True, False)]
        facts["dropout, noise, EMA, clipping, batch norm: last loss, graphed and eager"] = both
        for name in ("adam", "sgd"):
            both = [fit(solver=name, cuda_graph=g).loss_curve_[-1] for g in (True, False)]
            facts[f"{name}: last loss, graphed and eager"] = both
        vaes = [fit(VAE, cuda_graph=g, kl_warmup=0.3) for g in (True, False)]
        facts["VAE: score, graphed and eager"] = [vae.score(X) for vae in vaes]
        conv = fit(image_shape=(1, 8, 8), hidden_layer_sizes=(16, 32), cuda_graph=True)
        facts["convolutional: last loss"] = conv.loss_curve_[-1]
        state = pickle.dumps(graphed)
        held = graphed.net_.__getstate__()["module_"].state_dict().values()
        facts["pickles hold CPU tensors"] = all(t.device.type == "cpu" for t in held)
        loaded = pickle.loads(state)
        facts["pickle predicts alike"] = bool(np.array_equal(loaded.predict(X), graphed.predict(X)))
        twin = copy.deepcopy(graphed).partial_fit(X)
        facts["loaded model trains on"] = bool(np.isfinite(loaded.partial_fit(X).loss_curve_[-1]))
        facts["twin's loss after partial_fit, relative difference"] = float(
            abs(twin.loss_curve_[-1] / loaded.loss_curve_[-1] - 1)
        )
        with tempfile.TemporaryDirectory() as folder:
            stored = fit(checkpoint_dir=folder)
            resumed = fit(checkpoint_dir=folder)
            facts["checkpoint of a finished fit loads"] = bool(
                np.array_equal(stored.predict(X), resumed.predict(X))
            )
            graphed.save(Path(folder) / "model")
            facts["saved model predicts alike"] = bool(
                np.array_equal(
                    AutoEncoder.load(Path(folder) / "model").predict(X), graphed.predict(X)
                )
            )
    facts.update(check_fallback(X))
    return facts


def check_fallback(X):
    """A module that waits for the device cannot be captured, and must train all the same."""

    class Waits(Given):
        def encode(self, X):
            scale = float(X.abs().max())  # a synchronisation
            return self.encoder(X / max(scale, 1.0))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = AutoEncoder(
            8, module=Waits(make_network()), max_iter=20, device="cuda", random_state=0
        ).fit(X)
    return {
        "fallback: warned": any("could not be captured" in str(w.message) for w in caught),
        "fallback: loss fell": model.loss_curve_[-1] < model.loss_curve_[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200, help="on the GPU; a tenth on the CPU")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--devices", nargs="*", default=["cuda", "cpu"])
    arguments = parser.parse_args()
    X = make_data(N)
    cuda = torch.cuda.is_available()
    result = {
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "cpu_threads": torch.get_num_threads(),
        "steps_an_epoch": -(-N // BATCH),
    }
    for device in arguments.devices:
        if device == "cuda" and not cuda:
            continue
        result[device] = {}
        n_epochs = arguments.epochs if device == "cuda" else max(3, arguments.epochs // 10)
        for name, run in CONTENDERS.items():
            few = max(3, n_epochs // 4) if name == "skorch" else n_epochs
            try:
                record = measure(run, X, device, few, arguments.repeats)
            except Exception as error:
                record = {"error": f"{type(error).__name__}: {error}"[:500]}
            result[device][name] = record
            print(device, name, record, file=sys.stderr, flush=True)
    if cuda:
        try:
            result["checks"] = check_gpu(X)
        except Exception as error:
            result["checks"] = {"error": f"{type(error).__name__}: {error}"[:2000]}
            import traceback

            traceback.print_exc()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
