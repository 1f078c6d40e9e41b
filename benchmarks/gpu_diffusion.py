"""The U-Net of `DiffusionModel` on a GPU, beside the CPU: training steps and samples.

``python benchmarks/gpu_diffusion.py [--steps N] [--repeats N] > results/gpu_diffusion.json``. Needs
torch, skorch, scikit-learn and the Python files of the package, none of its compiled kernels. Every
contender trains the same network on the same images (digits, 8 x 8, with their classes) with the same
loss, batches of 256 rows, AdamW and averaged weights, and samples by the same 20 steps of
DPM-Solver++(2M). Prints one JSON object: seconds a step and seconds a sample set, the median of the
repeats after a warm-up, and checks of what only a GPU can show. About a minute on a GPU machine.
"""

import argparse
import json
import math
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn_extra_ml._torch._solvers import even_sigmas
from sklearn_extra_ml._torch._unet import UNet
from sklearn_extra_ml.neural_network import DiffusionModel

ROOT = Path(__file__).resolve().parents[1]
BATCH, N_SAMPLING_STEPS = 256, 20
IMAGE, CHANNELS, N_CLASSES = (1, 8, 8), (32, 64), 10
EMA, LEARNING_RATE, DROPPED = 0.999, 2e-3, 0.1
SIGMA_MIN, SIGMA_MAX = 0.01, 80.0


def make_data():
    """Return 7 x 256 digits and their classes."""
    X, y = load_digits(return_X_y=True)
    return X[: 7 * BATCH].astype(np.float32), y[: 7 * BATCH]


def model(device="cpu", n_epochs=2, **parameters):
    return DiffusionModel(
        CHANNELS,
        **{
            "image_shape": IMAGE,
            "batch_size": BATCH,
            "max_iter": n_epochs,
            "device": device,
            "random_state": 0,
        }
        | parameters,
    )


# --- training ------------------------------------------------------------------------------------


def ours(X, y, device, n_epochs, **parameters):
    fitted = model(device, n_epochs, **parameters).fit(X, y)
    return statistics.fmean(fitted.loss_curve_[-5:])


def make_network():
    torch.manual_seed(0)
    return UNet(IMAGE, CHANNELS, n_context=N_CLASSES + 1)


def edm_loss(network, x, context):
    """The loss of `DiffusionModel` as one writes it by hand."""
    log_sigma = (1.5 * torch.randn(len(x), 1, device=x.device) - 1.0).clamp(
        math.log(0.002), math.log(80)
    )
    sigma = log_sigma.exp()
    cosine = (1 + sigma**2).rsqrt()
    noise = torch.randn_like(x)
    given = (torch.rand(len(x), 1, device=x.device) > DROPPED).float()
    seen = torch.cat((context * given, given), dim=1)
    output = network(cosine * (x + sigma * noise), log_sigma, seen)
    return ((output - (sigma * cosine * x - cosine * noise)) ** 2).mean()


def prepared(X, y, device):
    centred = X - X.mean(axis=0)
    x = torch.from_numpy(centred / centred.std()).to(device)
    return x, torch.eye(N_CLASSES, device=device)[torch.from_numpy(y).to(device)]


def hand_loop(X, y, device, n_epochs, **optimizer):
    network = make_network().to(device)
    averaged = make_network().to(device)
    x, context = prepared(X, y, device)
    optim = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.0, **optimizer)
    n_steps = n_epochs * len(X) // BATCH
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optim, n_steps)
    losses, step = [], 0
    for _ in range(n_epochs):
        order = torch.randperm(len(x), device=device)
        total = torch.zeros((), device=device)
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            loss = edm_loss(network, x[rows], context[rows])
            optim.zero_grad()
            loss.backward()
            optim.step()
            cosine.step()
            decay = min(EMA, (1 + step) / (10 + step))
            with torch.no_grad():
                for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
                    mean.lerp_(weight, 1 - decay)
            total += loss.detach()
            step += 1
        losses.append(float(total) / (len(x) // BATCH))
    return statistics.fmean(losses[-5:])


def tf32_loop(*arguments, **optimizer):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        return hand_loop(*arguments, **optimizer)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


class LossOfRows(nn.Module):
    """The network as skorch takes it: its output is the loss."""

    def __init__(self):
        super().__init__()
        self.network = make_network()

    def forward(self, x, context):
        return edm_loss(self.network, x, context)


class AsItIs(nn.Module):
    def forward(self, loss, target):
        return loss


def bare_skorch(X, y, device, n_epochs):
    import skorch

    x, context = prepared(X, y, "cpu")
    net = skorch.NeuralNet(
        LossOfRows,
        criterion=AsItIs,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.0,
        lr=LEARNING_RATE,
        max_epochs=n_epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=device,
    ).fit({"x": x, "context": context}, torch.zeros(len(x)))
    return statistics.fmean(net.history[-5:, "train_loss"])


TRAINING = {
    "ours": ours,
    "ours, tf32": lambda *a: ours(*a, precision="tf32"),
    "ours, bf16": lambda *a: ours(*a, precision="bf16"),
    "ours, eager": lambda *a: ours(*a, cuda_graph=False),
    "PyTorch loop, AdamW": hand_loop,
    "PyTorch loop, fused AdamW": lambda *a: hand_loop(*a, fused=True),
    "PyTorch loop, fused AdamW, tf32": lambda *a: tf32_loop(*a, fused=True),
    "skorch, without averaged weights": bare_skorch,
}
ONLY_ON_A_GPU = {"ours, tf32", "ours, bf16", "ours, eager", "PyTorch loop, fused AdamW, tf32"}
GRAPHED = {"ours", "ours, tf32", "ours, bf16"}


def measure_training(X, y, device, n_steps, repeats):
    """Return seconds a step of each contender; graphs, which are fast, get four times the steps."""
    out = {}
    for name, run in TRAINING.items():
        if device == "cpu" and name in ONLY_ON_A_GPU:
            continue
        more = 4 if device == "cuda" and name in GRAPHED else 1
        n_epochs = max(1, more * n_steps * BATCH // len(X))
        steps = n_epochs * (len(X) // BATCH)

        def timed(run=run, n_epochs=n_epochs):
            return run(X, y, device, n_epochs)

        out[name] = measure(timed, device, repeats, "seconds_a_step", steps, lambda: None)
        print(device, "training", name, out[name], file=sys.stderr, flush=True)
    return out


def measure(run, device, repeats, unit, n, warm_up):
    """Return median seconds of `run`, divided by `n`; an error is a result too."""
    seconds, value = [], None
    try:
        warm_up()
        for repeat in range(repeats + 1):
            start = time.perf_counter()
            value = run()
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat:  # the first run warms up
                seconds.append((time.perf_counter() - start) / n)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    record = {unit: statistics.median(seconds), "all": seconds}
    return record | ({"loss": value} if isinstance(value, float) else {})


# --- samples -------------------------------------------------------------------------------------


@torch.inference_mode()
def hand_sampler(network, context, noise, device):
    """DPM-Solver++(2M) as one writes it by hand: twenty calls of the network, one after another."""
    seen = torch.cat((context, torch.ones(len(context), 1)), dim=1).to(device)
    sigmas = torch.tensor(
        np.append(even_sigmas(N_SAMPLING_STEPS, SIGMA_MIN, SIGMA_MAX), 0.0),
        dtype=torch.float32,
        device=device,
    )
    x = sigmas[0] * noise.to(device)
    previous = last_h = None
    for i in range(N_SAMPLING_STEPS):
        sigma, following = sigmas[i], sigmas[i + 1]
        cosine = (1 + sigma**2).rsqrt()
        output = network(cosine * x, sigma.log().expand(len(x), 1), seen)
        denoised = cosine**2 * x + sigma * cosine * output
        if i == N_SAMPLING_STEPS - 1:
            return denoised
        h = (sigma / following).log()
        target = denoised
        if previous is not None:
            target = denoised + h / (2 * last_h) * (denoised - previous)
        x = following / sigma * x - torch.expm1(-h) * target
        previous, last_h = denoised, h


def noise_of(seed, n):
    """Return the noise that ``sample(random_state=seed)`` begins with."""
    seed = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((n, math.prod(IMAGE)), generator=generator)


def without_graph(fitted):
    """Return a copy of a fitted model that samples eagerly."""
    twin = pickle.loads(pickle.dumps(fitted))
    twin.net_.plan = replace(twin.net_.plan, cuda_graph=False)  # the net keeps its training's plan
    return twin


def measure_sampling(fitted, device, sizes, repeats):
    """Return seconds of sample sets of some sizes."""
    out, network = {}, fitted.net_.inference_module.network
    eager = without_graph(fitted) if device == "cuda" else None
    for n in sizes:
        labels = np.arange(n) % N_CLASSES
        context, noise = torch.eye(N_CLASSES)[torch.from_numpy(labels)], noise_of(0, n)
        contenders = {
            "ours": lambda n=n, labels=labels: fitted.sample(n, labels),
            "PyTorch loop": lambda c=context, z=noise: hand_sampler(network, c, z, device).cpu(),
        }
        if eager is not None:
            contenders["ours, eager"] = lambda n=n, labels=labels: eager.sample(n, labels)
        case = out[f"{n} rows"] = {}
        for name, run in contenders.items():
            case[name] = measure(run, device, repeats, "seconds", 1, lambda: None)
            print(device, "sampling", n, name, case[name], file=sys.stderr, flush=True)
    return out


def check_sampling(fitted, device):
    """Return how far samples of the same noise are apart: by hand, without a graph, in another set."""
    n, seed = 300, 5
    labels = np.arange(n) % N_CLASSES
    drawn = fitted.set_params(clip_samples=False).sample(n, labels, random_state=seed)
    network = fitted.net_.inference_module.network
    context = torch.eye(N_CLASSES)[torch.from_numpy(labels)]
    by_hand = hand_sampler(network, context, noise_of(seed, n), device).cpu().numpy()
    by_hand = fitted._decode(by_hand)
    facts = {
        "largest pixel": float(np.abs(drawn).max()),
        "ours against the loop by hand, largest difference of a pixel": gap(drawn, by_hand),
    }
    if device == "cuda":
        eager = without_graph(fitted)
        again = eager.sample(n, labels, random_state=seed)
        facts["graphed against eager, largest difference of a pixel"] = gap(drawn, again)
        for name in ("ddim", "ddpm", "heun", "euler"):
            both = [
                one.set_params(sampler=name).sample(40, random_state=seed)
                for one in (fitted, eager)
            ]
            facts[f"{name}: graphed against eager"] = gap(*both)
        for scale in (0.0, 3.0):
            both = [
                one.set_params(sampler="dpmpp_2m", guidance_scale=scale).sample(
                    40, 3, random_state=seed
                )
                for one in (fitted, eager)
            ]
            facts[f"guidance {scale}: graphed against eager"] = gap(*both)
        fitted.set_params(guidance_scale=1.0)
        first = fitted.sample(40, 3, random_state=seed)
        other = fitted.sample(40, 7, random_state=seed)
        third = fitted.sample(40, 3, random_state=seed)
        facts["the same call after one of another class, difference"] = gap(first, third)
        facts["classes differ"] = gap(first, other) > 1
    fitted.set_params(clip_samples=True)
    return facts


def gap(a, b):
    return float(np.abs(np.asarray(a, dtype=np.float64) - b).max())


# --- from machine to machine ----------------------------------------------------------------------

ELSEWHERE = """
import json, pickle, sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
from sklearn_extra_ml.neural_network import DiffusionModel
assert not torch.cuda.is_available()
with open(sys.argv[2] + "/model.pickle", "rb") as file:
    model = pickle.load(file)
loaded = DiffusionModel.load(sys.argv[2] + "/model")
drawn = model.sample(60, np.arange(60) % 10, random_state=1)
same = np.array_equal(loaded.sample(60, np.arange(60) % 10, random_state=1), drawn)
model.partial_fit(np.load(sys.argv[2] + "/X.npy"), np.load(sys.argv[2] + "/y.npy"))
trained = bool(np.isfinite(model.loss_curve_[-1]))
np.save(sys.argv[2] + "/drawn.npy", drawn)
print(json.dumps({"device": str(model.net_.device), "saved model alike": same, "trains on": trained}))
"""


def check_transfer(X, y):
    """A model of the GPU on a machine without one, and the other way round."""
    facts = {}
    labels = np.arange(60) % 10
    fitted = model("auto", 20).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.pickle").write_bytes(pickle.dumps(fitted))
        fitted.save(Path(folder) / "model")
        np.save(Path(folder) / "X.npy", X)
        np.save(Path(folder) / "y.npy", y)
        run = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(ROOT), folder],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if run.returncode:
            return {"error": run.stderr[-1500:]}
        facts["fitted on the GPU, loaded without one"] = json.loads(run.stdout.splitlines()[-1])
        facts["its samples, largest difference of a pixel"] = gap(
            np.load(Path(folder) / "drawn.npy"), fitted.sample(60, labels, random_state=1)
        )
    here = model("cpu", 5).fit(X, y)
    before = here.sample(60, labels, random_state=1)
    there = pickle.loads(pickle.dumps(here.set_params(device="cuda")))
    facts["fitted on the CPU, loaded for the GPU: device"] = str(there.net_.device)
    facts["its samples there, largest difference of a pixel"] = gap(
        before, there.sample(60, labels, random_state=1)
    )
    facts["it trains on there"] = bool(np.isfinite(there.partial_fit(X, y).loss_curve_[-1]))
    return facts


def check_memory():
    """A batch that does not fit the GPU must say what to change, and leave the GPU usable."""
    side, n = 64, 1 << 17
    X = np.zeros((n, side * side), dtype=np.float32)
    X[:, ::7] = 1.0
    big = model("cuda", 1, image_shape=(1, side, side), batch_size=n)
    try:
        big.fit(X)
        message = "none: it fitted"
    except (RuntimeError, MemoryError) as error:
        message = f"{type(error).__name__}: {error}"[:300]
    small = model("cuda", 1, image_shape=(1, side, side), batch_size=64).fit(X[:256])
    return {
        "a batch that is too large": message,
        "GPU usable afterwards": bool(np.isfinite(small.loss_curve_[-1])),
    }


def checks(fitted, X, y, device):
    """Return named facts; an error is a fact too."""
    parts = {"samples": lambda: check_sampling(fitted, device)}
    if device == "cuda":
        parts |= {"transfer": lambda: check_transfer(X, y), "memory": check_memory}
    facts = {}
    for name, part in parts.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                facts[name] = part()
            except Exception as error:
                facts[name] = {"error": f"{type(error).__name__}: {error}"[:1500]}
        print(device, "checks", name, facts[name], file=sys.stderr, flush=True)
    return facts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=140, help="training steps on the GPU")
    parser.add_argument("--cpu-steps", type=int, default=14)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--devices", nargs="*", default=["cuda", "cpu"])
    arguments = parser.parse_args()
    X, y = make_data()
    cuda = torch.cuda.is_available()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "cpu_threads": torch.get_num_threads(),
        "network": f"U-Net of channels {CHANNELS} for {IMAGE}, batch {BATCH}",
        "checks": {},
    }
    for device in arguments.devices:
        if device == "cuda" and not cuda:
            continue
        steps = arguments.steps if device == "cuda" else arguments.cpu_steps
        repeats = arguments.repeats if device == "cuda" else 1
        result[device] = {"training step": measure_training(X, y, device, steps, repeats)}
        fitted = model(device, 60 if device == "cuda" else 3).fit(X, y)
        sizes = (256, 4096) if device == "cuda" else (256,)
        sets = measure_sampling(fitted, device, sizes, arguments.repeats)
        result[device] |= {f"samples, {name}": case for name, case in sets.items()}
        result["checks"][device] = checks(fitted, X, y, device)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
