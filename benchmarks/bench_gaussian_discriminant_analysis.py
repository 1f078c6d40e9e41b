"""GaussianDiscriminantAnalysis against scikit-learn's LDA and QDA, where the model is the same.

Fitting is timed for the linear model, fitting and predicting the training rows for the quadratic
one. Decision values are equal to rounding (tests), so the accuracies must be equal here.
"""

import numpy as np
from runner import OURS, Case


def import_contenders():
    """So that the memory measured is that of the work."""
    import sklearn.discriminant_analysis  # noqa: F401

    import sklearn_extra_ml.discriminant_analysis  # noqa: F401


def classes(n_samples, n_features, n_classes, dtype=np.float64):
    """Gaussian classes whose covariances differ, in columns of different scale."""

    def make():
        import_contenders()
        rng = np.random.default_rng(0)
        y = rng.integers(n_classes, size=n_samples)
        mixing = 0.3 * rng.normal(size=(n_classes, n_features, n_features)) / np.sqrt(n_features)
        mixing += np.eye(n_features)
        X = rng.normal(size=(n_samples, n_features))
        for k in range(n_classes):
            X[y == k] = X[y == k] @ mixing[k] + 0.3 * rng.normal(size=n_features)
        X *= rng.uniform(0.1, 10.0, n_features)
        return {"X": X.astype(dtype), "y": y}

    return make


def wide(n_samples=60, n_features=1000, n_classes=3):
    """Fewer rows than columns, in units of their own; and rows to predict."""
    import_contenders()
    rng = np.random.default_rng(0)
    means = 0.15 * rng.normal(size=(n_classes, n_features))
    units = rng.gamma(2.0, size=n_features)

    def draw(n):
        y = np.arange(n) % n_classes
        return (means[y] + rng.normal(size=(n, n_features))) * units, y

    (X, y), (X_test, y_test) = draw(n_samples), draw(2000)
    return {"X": X, "y": y, "X_test": X_test, "y_test": y_test}


def _ours(**parameters):
    from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis

    return GaussianDiscriminantAnalysis(**parameters)


def _linear(solver, shrinkage=None):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage)


def _quadratic(solver, shrinkage=None):
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(solver=solver, shrinkage=shrinkage)


def fitted(make):
    return lambda data: make().fit(data["X"], data["y"])


def fitted_and_predicted(make):
    return lambda data: make().fit(data["X"], data["y"]).predict(data["X"])


LINEAR = {OURS: fitted(lambda: _ours(covariance="tied"))} | {
    f"scikit-learn LDA ({solver})": fitted(lambda solver=solver: _linear(solver))
    for solver in ("svd", "lsqr", "eigen")
}
QUADRATIC = {OURS: fitted_and_predicted(lambda: _ours(covariance="full"))} | {
    f"scikit-learn QDA ({solver})": fitted_and_predicted(lambda solver=solver: _quadratic(solver))
    for solver in ("svd", "eigen")
}


def accuracy_of_model(data, model):
    """Accuracy on 20 000 of the training rows."""
    X, y = data["X"][:20_000], data["y"][:20_000]
    return {"accuracy": np.mean(model.predict(X) == y)}


WIDE_LINEAR = {
    OURS: fitted(lambda: _ours(covariance="tied")),
    "scikit-learn LDA (svd)": fitted(lambda: _linear("svd")),
}
WIDE_SHRUNK_LINEAR = {
    OURS: fitted(lambda: _ours(covariance="tied", shrinkage="ledoit_wolf")),
} | {
    f"scikit-learn LDA ({solver})": fitted(lambda solver=solver: _linear(solver, "auto"))
    for solver in ("lsqr", "eigen")
}
WIDE_QUADRATIC = {
    OURS: fitted(lambda: _ours(shrinkage="ledoit_wolf")),
    f"{OURS}, no shrinkage": fitted(lambda: _ours()),
    "scikit-learn QDA (eigen)": fitted(lambda: _quadratic("eigen", "auto")),
}


def accuracy_of_test_rows(data, model):
    return {"accuracy": np.mean(model.predict(data["X_test"]) == data["y_test"])}


def accuracy_of_labels(data, labels):
    return {"accuracy": np.mean(labels == data["y"])}


CASES = [
    Case(
        "500k x 40, 10 classes: linear, fit",
        classes(500_000, 40, 10),
        LINEAR,
        accuracy_of_model,
        repeats=3,
    ),
    Case(
        "500k x 40, 10 classes: quadratic, fit and predict",
        classes(500_000, 40, 10),
        QUADRATIC,
        accuracy_of_labels,
        repeats=3,
    ),
    Case(
        "500k x 40 float32, 10 classes: linear, fit",
        classes(500_000, 40, 10, np.float32),
        LINEAR,
        accuracy_of_model,
        repeats=3,
    ),
    Case(
        "20k x 300, 5 classes: quadratic, fit and predict",
        classes(20_000, 300, 5),
        QUADRATIC,
        accuracy_of_labels,
        repeats=3,
    ),
    Case(
        "2000 x 10, 3 classes: linear, fit",
        classes(2_000, 10, 3),
        LINEAR,
        accuracy_of_model,
        repeats=31,
    ),
    Case(
        "60 x 1000, 3 classes: linear, fit",
        wide,
        WIDE_LINEAR,
        accuracy_of_test_rows,
        note="Accuracy on 2000 new rows. LDA (svd) never forms the covariance, which is here an "
        "attribute.",
        repeats=11,
    ),
    Case(
        "60 x 1000, 3 classes: linear with automatic shrinkage, fit",
        wide,
        WIDE_SHRUNK_LINEAR,
        accuracy_of_test_rows,
        note="Accuracy on 2000 new rows.",
        repeats=7,
    ),
    Case(
        "60 x 1000, 3 classes: quadratic with automatic shrinkage, fit",
        wide,
        WIDE_QUADRATIC,
        accuracy_of_test_rows,
        note="Accuracy on 2000 new rows. QDA without shrinkage refuses such data.",
        repeats=5,
    ),
]
