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


def _ours(**parameters):
    from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis

    return GaussianDiscriminantAnalysis(**parameters)


def _linear(solver):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver=solver)


def _quadratic(solver):
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(solver=solver)


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
]
