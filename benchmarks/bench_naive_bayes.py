"""Naive Bayes against scikit-learn, and MixedNB against what its users do without it.

Sizes are those at which scikit-learn's classes are slow: many rows for the Gaussian and the
categorical one, many stored entries for the multinomial one. The quality column is the accuracy on
the rows learnt and the log-posterior of the true class (mean over 20,000 rows, nats), so a faster
model that is another model shows. For mixed columns scikit-learn's users add up the joint
log-probabilities of one classifier for each kind of column, on encoded columns.
"""

from functools import partial

import numpy as np
import scipy.sparse as sp
import sklearn.naive_bayes as theirs
from runner import Case

import sklearn_extra_ml.naive_bayes as ours

SOME = 20_000  # rows of the quality figures


def gaussian_rows(n_samples=1_000_000, n_features=30, n_classes=10):
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    mean = rng.normal(size=(n_classes, n_features))
    std = rng.uniform(0.5, 2.0, size=(n_classes, n_features))
    X = rng.normal(size=(n_samples, n_features))
    X *= std[y]
    X += mean[y]
    return {"X": X, "y": y}


def category_rows(n_samples=500_000, n_features=20, n_classes=10):
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    X = np.empty((n_samples, n_features), dtype=np.int64)
    for j in range(n_features):
        edges = np.cumsum(rng.dirichlet(np.ones(5 + j), size=n_classes), axis=1)
        X[:, j] = (rng.random(n_samples)[:, None] > edges[y, :-1]).sum(axis=1)
    return {"X": X, "y": y}


def documents(n_samples=100_000, n_features=50_000, n_words=100, n_classes=20):
    """Word counts: a common vocabulary by Zipf's law, a tenth of the words by class."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    rank = n_features ** rng.random((n_samples, n_words))
    words = rank.astype(np.int64) - 1
    own = rng.random((n_samples, n_words)) < 0.1
    words[own] = (
        words[own] * n_classes + np.repeat(y, n_words).reshape(words.shape)[own]
    ) % n_features
    # n_words different words a row: repeated ones move to a free place.
    words.sort(axis=1)
    repeated = np.zeros_like(own)
    repeated[:, 1:] = words[:, 1:] == words[:, :-1]
    words[repeated] = rng.integers(n_features, size=int(repeated.sum()))
    counts = 1.0 + rng.poisson(0.5, size=words.shape)
    start = np.arange(0, words.size + 1, n_words)
    X = sp.csr_matrix((counts.ravel(), words.ravel(), start), shape=(n_samples, n_features))
    X.sum_duplicates()
    return {"X": X, "y": y}


def mixed_table(n_samples=200_000):
    """Four numbers, three switches, three counts, six columns of strings, one waiting time."""
    import pandas as pd

    rng = np.random.default_rng(0)
    y = rng.integers(4, size=n_samples)
    columns = {}
    for j in range(4):
        columns[f"number{j}"] = rng.normal(rng.normal(size=4)[y], rng.uniform(0.5, 2, 4)[y])
    for j in range(3):
        columns[f"switch{j}"] = rng.random(n_samples) < rng.uniform(0.1, 0.9, 4)[y]
    for j in range(3):
        columns[f"count{j}"] = rng.poisson(rng.uniform(1, 9, 4)[y])
    for j in range(6):
        names = np.array([f"value{v:02d}" for v in range(4 + 3 * j)])
        edges = np.cumsum(rng.dirichlet(np.ones(len(names)), size=4), axis=1)
        cells = names[(rng.random(n_samples)[:, None] > edges[y, :-1]).sum(axis=1)]
        columns[f"string{j}"] = pd.Categorical(cells)
    X = pd.DataFrame(columns)
    # For peers that take numbers only: codes in place of strings, made outside of the clock.
    codes = [X[c].cat.codes if c.startswith("string") else X[c] for c in X]
    return {"X": X, "y": y, "codes": np.column_stack(codes).astype(np.float64)}


def fit(module, name, **parameters):
    return lambda data: (getattr(module, name)(**parameters).fit(data["X"], data["y"]), None)


def fit_predict(module, name, **parameters):
    def run(data):
        model = getattr(module, name)(**parameters).fit(data["X"], data["y"])
        return model, model.predict(data["X"])

    return run


def quality(data, result):
    """Accuracy, and mean log-posterior of the true class, on the first rows."""
    model, _ = result
    numbers_only = type(model).__module__.split(".")[0] in ("wnb", "mixed_naive_bayes")
    X, y = data["codes" if numbers_only else "X"][:SOME], data["y"][:SOME]
    if hasattr(model, "predict_log_proba"):
        log_proba = np.asarray(model.predict_log_proba(X))
    else:
        log_proba = np.log(model.predict_proba(X))
    return {
        # The classes are 0, 1, ... everywhere here.
        "accuracy": np.mean(log_proba.argmax(axis=1) == y),
        "log_posterior": log_proba[np.arange(len(y)), y].mean(),
    }


def both(how, name):
    return {"sklearn-extra-ml": how(ours, name), "scikit-learn": how(theirs, name)}


class SeparateModels:
    """scikit-learn's way for a table: one classifier for each kind of column, added up."""

    def __init__(self):
        from sklearn.preprocessing import OrdinalEncoder

        self.encoder = OrdinalEncoder()
        self.models = [theirs.GaussianNB(), theirs.BernoulliNB(), theirs.CategoricalNB()]

    def parts(self, X):
        numbers = [c for c in X if c.startswith(("number", "count"))]
        switches = [c for c in X if c.startswith("switch")]
        strings = [c for c in X if c.startswith("string")]
        return X[numbers], X[switches], X[strings]

    def fit(self, X, y):
        numbers, switches, strings = self.parts(X)
        encoded = self.encoder.fit_transform(strings).astype(np.int64)
        for model, part in zip(self.models, (numbers, switches, encoded), strict=True):
            model.fit(part, y)
        self.classes_ = self.models[0].classes_
        return self

    def predict_log_proba(self, X):
        numbers, switches, strings = self.parts(X)
        parts = numbers, switches, self.encoder.transform(strings).astype(np.int64)
        joint = sum(
            model.predict_joint_log_proba(part)
            for model, part in zip(self.models, parts, strict=True)
        )
        joint -= 2 * np.log(self.models[0].class_prior_)
        return joint - np.logaddexp.reduce(joint, axis=1)[:, None]

    def predict(self, X):
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]


def separate(data):
    model = SeparateModels().fit(data["X"], data["y"])
    return model, model.predict(data["X"])


def wnb(data):
    from wnb import Distribution, GeneralNB

    normal, bernoulli, categorical = (
        [distribution] * n
        for distribution, n in (
            (Distribution.NORMAL, 4),
            (Distribution.BERNOULLI, 3),
            (Distribution.CATEGORICAL, 6),
        )
    )
    counts = [Distribution.NORMAL] * 3
    model = GeneralNB(distributions=normal + bernoulli + counts + categorical)
    model.fit(data["codes"], data["y"])
    return model, model.predict(data["codes"])


def mixed_naive_bayes(data):
    from mixed_naive_bayes import MixedNB

    model = MixedNB(categorical_features=[4, 5, 6, *range(10, 16)])
    model.fit(data["codes"], data["y"])
    return model, model.predict(data["codes"])


CASES = [
    Case(
        "GaussianNB: fit, 1M x 30, 10 classes", gaussian_rows, both(fit, "GaussianNB"), quality, 3
    ),
    Case(
        "GaussianNB: fit and predict, 1M x 30, 10 classes",
        gaussian_rows,
        both(fit_predict, "GaussianNB"),
        quality,
        3,
    ),
    Case(
        "CategoricalNB: fit, 500k x 20, 10 classes",
        category_rows,
        both(fit, "CategoricalNB"),
        quality,
        5,
    ),
    Case(
        "CategoricalNB: fit and predict, 500k x 20, 10 classes",
        category_rows,
        both(fit_predict, "CategoricalNB"),
        quality,
        3,
    ),
    *(
        Case(
            f"{name}: fit and predict, sparse 100k x 50k, 100 words a row, 20 classes",
            documents,
            both(fit_predict, name),
            quality,
            5,
        )
        for name in ("MultinomialNB", "ComplementNB", "BernoulliNB")
    ),
    *(
        Case(
            f"MixedNB: fit and predict, {n // 1000}k x 16 of a frame, 4 classes",
            partial(mixed_table, n),
            {
                "sklearn-extra-ml": fit_predict(ours, "MixedNB"),
                "scikit-learn": separate,
                "mixed-naive-bayes": mixed_naive_bayes,
            }
            | ({"wnb": wnb} if n <= 20_000 else {}),
            quality,
            3,
            note="scikit-learn: GaussianNB, BernoulliNB, OrdinalEncoder and CategoricalNB, added up. "
            "The other peers get the strings as codes, made outside of the clock; wnb takes minutes "
            "for more rows.",
        )
        for n in (20_000, 200_000)
    ),
]
