"""The training core against hand-written PyTorch loops and bare skorch: the same network and data.

Each trains an autoencoder 64-256-128-8-128-256-64 for 10 epochs of batches of 256; all start from the
same weights and use AdamW at a constant rate. Times are of the whole fit.

And AutoEncoderDetector against scikit-learn's detectors. Novelties: it learns from rows of nine digits
and ranks others of them and those of the tenth, each of the ten in turn. Outliers: it learns from benign
rows of breast cancer with 5 % of malignant ones among them, and ranks the same rows; ten draws. Figures
are means over the ten.
"""

import copy

import numpy as np
from runner import Case
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

N_EPOCHS, BATCH = 10, 256


def make():
    from autoencoder_task import make_data, make_network

    return {"X": make_data(), "network": make_network()}


def ours(data):
    from autoencoder_task import Given

    from sklearn_extra_ml.neural_network import AutoEncoder

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


def novelties():
    """For each digit: rows of others to learn from, rows to rank, and which of these are novel."""
    X, y = load_digits(return_X_y=True)
    tasks = []
    for digit in range(10):
        usual = np.random.default_rng(digit).permutation(np.flatnonzero(y != digit))
        learn, rest = np.split(usual, [len(usual) * 7 // 10])
        novel = np.flatnonzero(y == digit)
        truth = np.repeat([False, True], [len(rest), len(novel)])
        tasks.append((X[learn], X[np.append(rest, novel)], truth))
    return {"tasks": tasks, "n_components": 8, "standardize": "global"}


def outliers():
    """Ten tables with 5 % of outliers, to learn from and to rank, and which rows they are."""
    X, y = load_breast_cancer(return_X_y=True)
    usual, malignant, tasks = np.flatnonzero(y == 1), np.flatnonzero(y == 0), []
    for draw in range(10):
        rng = np.random.default_rng(draw)
        some = rng.choice(malignant, size=round(len(usual) / 19), replace=False)
        rows = rng.permutation(np.append(usual, some))
        tasks.append((X[rows], X[rows], np.isin(rows, some)))
    return {"tasks": tasks, "n_components": 4, "standardize": "column"}


def our_detector(**params):
    def run(data):
        from sklearn_extra_ml.neural_network import AutoEncoderDetector

        detector = AutoEncoderDetector(
            data["n_components"],
            standardize=data["standardize"],
            device="cpu",
            random_state=0,
            **params,
        )
        return [detector.fit(X).score_samples(X_rank) for X, X_rank, _ in data["tasks"]]

    return run


def their_detector(make_detector):
    """Fit to the rows of each task, standardised where columns have different units, and rank."""

    def run(data):
        scores = []
        for X, X_rank, _ in data["tasks"]:
            if data["standardize"] == "column":
                scaler = StandardScaler().fit(X)
                X, X_rank = scaler.transform(X), scaler.transform(X_rank)
            scores.append(make_detector(len(X) != len(X_rank), X).score_samples(X_rank))
        return scores

    return run


class LocalFactor:
    """LocalOutlierFactor, which has two ways to ask it."""

    def __init__(self, novelty, X):
        self.model = LocalOutlierFactor(novelty=novelty).fit(X)

    def score_samples(self, X):
        if self.model.novelty:
            return self.model.score_samples(X)
        return self.model.negative_outlier_factor_


def detection_quality(data, scores):
    both = [(truth, -score) for (_, _, truth), score in zip(data["tasks"], scores, strict=True)]
    return {
        "area under the curve": np.mean([roc_auc_score(*pair) for pair in both]),
        "average precision": np.mean([average_precision_score(*pair) for pair in both]),
    }


DETECTORS = {
    "IsolationForest": their_detector(lambda _, X: IsolationForest(random_state=0).fit(X)),
    "LocalOutlierFactor": their_detector(LocalFactor),
    "OneClassSVM": their_detector(lambda _, X: OneClassSVM().fit(X)),
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
        "novelties: digits, the tenth after nine, 64 columns",
        novelties,
        {"sklearn-extra-ml": our_detector()} | DETECTORS,
        detection_quality,
        repeats=0,
        note="Ten fits to about 1,130 rows, and scores; code of 8 numbers. scikit-learn's defaults.",
    ),
    Case(
        "outliers: breast cancer, malignant among benign, 30 columns",
        outliers,
        {
            "sklearn-extra-ml": our_detector(),
            "the same, dropout=0.2": our_detector(dropout=0.2),
            "the same, max_iter=20": our_detector(max_iter=20),
        }
        | DETECTORS,
        detection_quality,
        repeats=0,
        note="Ten fits to 376 rows, and their scores; code of 4 numbers. scikit-learn's defaults on "
        "standardised columns.",
    ),
]
