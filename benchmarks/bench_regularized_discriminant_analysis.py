"""The automatic choice of `reg_lambda` and `reg_gamma` against a grid search over the same pairs.

Ten times five-fold cross-validation, the same folds for all. The automatic choice is made anew in
every fold from the training rows alone. "Best pair in hindsight" is `GridSearchCV`: it fits every
one of the 20 x 20 pairs in every fold and reports the best mean, an optimistic figure, since the
folds that chose the pair also judge it. "Nested" chooses as the automatic choice does, from the
training rows of each fold, by five-fold cross-validation; so that it ends at all, it is written
here by eigenvectors, which serve all gammas of a lambda. `standard_error` is that of the mean over
the 50 folds.
"""

import warnings

import numpy as np
from runner import OURS, Case

GRID = np.linspace(0.0, 1.0, 20)


def wine():
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    return {"X": X, "y": y}


def wide():
    """Fewer rows than columns: 60 x 80, three classes that differ in mean and in scale."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    centers = np.zeros((3, 80))
    centers[:, :10] = rng.normal(size=(3, 10))
    scale = np.exp(0.25 * rng.normal(size=(3, 80)))
    return {"X": centers[y] + rng.normal(size=(60, 80)) * scale[y], "y": y}


def _folds():
    from sklearn.model_selection import RepeatedStratifiedKFold

    return RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=0)


def _scaled(**parameters):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis

    return make_pipeline(StandardScaler(), GaussianDiscriminantAnalysis(**parameters))


def automatic(data):
    from sklearn.model_selection import cross_val_score

    model = _scaled(reg_lambda="auto", reg_gamma="auto")
    return cross_val_score(model, data["X"], data["y"], cv=_folds())


def grid_search(data):
    from sklearn.model_selection import GridSearchCV

    name = "gaussiandiscriminantanalysis__reg_"
    grid = {f"{name}lambda": GRID, f"{name}gamma": GRID}
    search = GridSearchCV(_scaled(), grid, cv=_folds(), refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pairs without regularization are singular
        search.fit(data["X"], data["y"])
    best = search.best_index_
    return np.array([search.cv_results_[f"split{i}_test_score"][best] for i in range(50)])


def accuracies(X, y, X_test, y_test):
    """Accuracy of every pair, (20, 20), on scaled columns."""
    mean, std = X.mean(axis=0), X.std(axis=0)
    X, X_test = (X - mean) / std, (X_test - mean) / std
    n_classes, n = y.max() + 1, np.bincount(y)
    means = np.stack([X[y == k].mean(axis=0) for k in range(n_classes)])
    scatter = np.stack(
        [(X[y == k] - means[k]).T @ (X[y == k] - means[k]) for k in range(n_classes)]
    )
    found = np.zeros((20, 20))
    scores = np.empty((20, len(X_test), n_classes))
    for i, lam in enumerate(GRID):
        mixed = (1 - lam) * scatter + lam * scatter.sum(axis=0)
        mixed /= ((1 - lam) * n + lam * n.sum())[:, None, None]
        for k in range(n_classes):
            values, vectors = np.linalg.eigh(mixed[k])
            squares = ((X_test - means[k]) @ vectors) ** 2
            for j, gamma in enumerate(GRID):
                shrunk = np.maximum((1 - gamma) * values + gamma * values.mean(), 1e-8)
                log_det = np.log(shrunk).sum()
                scores[j, :, k] = np.log(n[k]) - 0.5 * (squares @ (1 / shrunk) + log_det)
        found[i] = (scores.argmax(axis=2) == y_test).mean(axis=1)
    return found


def nested_grid_search(data):
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    X, y = data["X"], data["y"]
    scores = []
    with threadpool_limits(1):  # matrices are small
        for train, test in _folds().split(X, y):
            inner = sum(
                accuracies(X[train][a], y[train][a], X[train][b], y[train][b])
                for a, b in StratifiedKFold(5).split(X[train], y[train])
            )
            pair = np.unravel_index(inner.argmax(), inner.shape)
            scores.append(accuracies(X[train], y[train], X[test], y[test])[pair])
    return np.array(scores)


def quality(data, scores):
    return {"accuracy": scores.mean(), "standard_error": scores.std(ddof=1) / np.sqrt(50)}


CONTENDERS = {
    OURS: automatic,
    "grid search, best pair in hindsight": grid_search,
    "grid search, nested": nested_grid_search,
}

CASES = [
    Case("wine, 178 x 13", wine, CONTENDERS, quality, repeats=1),
    Case("generated, 60 x 80", wide, CONTENDERS, quality, repeats=1),
]
