"""The training core against hand-written PyTorch loops and bare skorch: the same network and data.

Each trains an autoencoder 64-256-128-8-128-256-64 for 10 epochs of batches of 256; all start from the
same weights and use AdamW at a constant rate. Times are of the whole fit.

And AutoEncoderDetector against scikit-learn's detectors, all fitted to rows with 5 % of outliers, which
are then ranked: digits, each of the ten in turn as the outlier among the nine others; and breast cancer,
malignant among benign, ten draws. Figures are means over the ten.
"""

import copy
from itertools import pairwise

import numpy as np
from runner import Case
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

N_EPOCHS, BATCH = 10, 256
SIZES = (64, 256, 128, 8, 128, 256, 64)


def make():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 10)) @ rng.normal(size=(10, 64)) + 0.1 * rng.normal(
        size=(10_000, 64)
    )
    X = ((X - X.mean(axis=0)) / X.std()).astype(np.float32)
    return {"X": X, "network": network()}


def network():
    """Return the network as plain torch, with fixed weights."""
    import torch

    torch.manual_seed(0)
    layers = []
    for i, (n_in, n_out) in enumerate(pairwise(SIZES)):
        layers.append(torch.nn.Linear(n_in, n_out))
        if i not in (2, 5):
            layers.append(torch.nn.SiLU())
    return torch.nn.Sequential(*layers)


def ours(data):
    import torch

    from sklearn_extra_ml.neural_network import AutoEncoder

    class Given(torch.nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.encoder, self.decoder = layers[:5], layers[5:]

        def encode(self, X):
            return self.encoder(X)

        def decode(self, Z):
            return self.decoder(Z)

    model = AutoEncoder(
        8,
        module=Given(copy.deepcopy(data["network"])),
        standardize=False,
        learning_rate="constant",
        max_iter=N_EPOCHS,
        device="cpu",
        random_state=0,
    ).fit(data["X"])
    return model.net_.module_


def hand_loop(**optimizer):
    """Return a training as one writes it by hand; `optimizer` are AdamW's options."""

    def run(data):
        import torch

        net = copy.deepcopy(data["network"])
        X = torch.from_numpy(data["X"])
        optim = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, **optimizer)
        for _ in range(N_EPOCHS):
            order = torch.randperm(len(X))
            for start in range(0, len(X), BATCH):
                batch = X[order[start : start + BATCH]]
                loss = torch.nn.functional.mse_loss(net(batch), batch)
                optim.zero_grad()
                loss.backward()
                optim.step()
        return net

    return run


def bare_skorch(data):
    import skorch
    import torch

    net = skorch.NeuralNetRegressor(
        copy.deepcopy(data["network"]),
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-4,
        lr=1e-3,
        max_epochs=N_EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return net.fit(data["X"], data["X"]).module_


def quality(data, net):
    import torch

    X = torch.from_numpy(data["X"])
    with torch.no_grad():
        return {"mean squared error": float(((net(X) - X) ** 2).mean())}


def contaminated(name):
    """Ten tables with 5 % of outliers, and which rows they are."""

    def make():
        X, y = (load_digits if name == "digits" else load_breast_cancer)(return_X_y=True)
        tables, truth = [], []
        for turn in range(10):
            rng = np.random.default_rng(turn)
            usual = np.flatnonzero(y != turn if name == "digits" else y == 1)
            others = np.flatnonzero(y == turn if name == "digits" else y == 0)
            others = rng.choice(others, size=round(len(usual) / 19), replace=False)
            rows = rng.permutation(np.append(usual, others))
            tables.append(X[rows])
            truth.append(np.isin(rows, others))
        return {"name": name, "tables": tables, "truth": truth}

    return make


def our_detector(data):
    from sklearn_extra_ml.neural_network import AutoEncoderDetector

    digits = data["name"] == "digits"
    scores = []
    for X in data["tables"]:
        detector = AutoEncoderDetector(
            8 if digits else 4,
            standardize="global" if digits else "column",
            device="cpu",
            random_state=0,
        )
        scores.append(detector.fit(X).score_samples(X))
    return scores


def their_detector(detector):
    """Fit to each table, its columns standardised where they have different units, and rank its rows."""

    def run(data):
        scores = []
        for X in data["tables"]:
            X = X if data["name"] == "digits" else StandardScaler().fit_transform(X)
            detector.fit(X)
            local = isinstance(detector, LocalOutlierFactor)
            scores.append(detector.negative_outlier_factor_ if local else detector.score_samples(X))
        return scores

    return run


def detection_quality(data, scores):
    both = list(zip(data["truth"], scores, strict=True))
    return {
        "area under the curve": np.mean([roc_auc_score(truth, -score) for truth, score in both]),
        "average precision": np.mean([average_precision_score(truth, -s) for truth, s in both]),
    }


DETECTORS = {
    "sklearn-extra-ml": our_detector,
    "IsolationForest": their_detector(IsolationForest(random_state=0)),
    "LocalOutlierFactor": their_detector(LocalOutlierFactor()),
    "OneClassSVM": their_detector(OneClassSVM()),
}

CASES = [
    Case(
        "autoencoder, 10,000 x 64, batch 256, 10 epochs",
        make,
        {
            "sklearn-extra-ml": ours,
            "PyTorch loop, AdamW": hand_loop(),
            "PyTorch loop, fused AdamW": hand_loop(fused=True),
            "skorch": bare_skorch,
        },
        quality,
        repeats=7,
        note="All on the CPU, from the same weights. skorch without its validation split.",
    ),
    Case(
        "outliers: digits, one of ten among the others, 64 columns",
        contaminated("digits"),
        DETECTORS,
        detection_quality,
        repeats=1,
        note="Fit and score of ten tables of about 1,700 rows; scikit-learn's defaults.",
    ),
    Case(
        "outliers: breast cancer, malignant among benign, 30 columns",
        contaminated("breast cancer"),
        DETECTORS,
        detection_quality,
        repeats=1,
        note="Fit and score of ten tables of 376 rows; scikit-learn's defaults on standardised columns.",
    ),
]
