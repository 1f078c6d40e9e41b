"""Diffusion models on small tables and densities in two columns, beside scikit-learn's density models.

Tables: drawn by class from 80 % of the rows, judged on the other 20 % (split 0). ``F1 ratio`` is the
macro F1 of SVC, logistic regression and random forest trained on the drawn rows over that after the
real ones; ``W1`` the optimal transport (city block, columns scaled to [0, 1], classes as indicators)
to the test rows, as published for ForestDiffusion (Forest-Flow: iris 0.328, wine 1.421, breast cancer
1.749; TabDDPM took 226 s for each); ``nearer train`` the share of drawn rows nearer to a training row
than to a test row.

Digits: 200 rows of each class drawn three times by models of 70 % of the rows (split 0), judged on the
other 30 %: accuracy of classifiers trained on the drawn rows (on the real ones: SVC 0.987, logistic
regression 0.972), Fréchet distance in the hidden layer of a perceptron trained on all digits, and
``nearer train`` against as many training rows as there are test rows.

Classifiers: `DiffusionClassifier` against scikit-learn's, five folds of wine and breast cancer. It is
there for what else a generating model can do, and not to win: the figures say what that costs.

No tabular diffusion model of the scikit-learn world is packaged for this environment: the contenders are
what scikit-learn has.
"""

import time
import warnings

import numpy as np
from runner import Case
from scipy import sparse
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_circles,
    make_moons,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

LOADERS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}


def make_table(name):
    X, y = LOADERS[name](return_X_y=True)
    train, test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    return {"X": train, "y": y_train, "X_test": test, "y_test": y_test}


def ours(data):
    from sklearn_extra_ml.neural_network import DiffusionModel

    return (
        DiffusionModel(random_state=0).fit(data["X"], data["y"]).sample(len(data["y"]), y=data["y"])
    )


def by_class(make_model):
    """Fit a density to the scaled rows of each class and draw as many rows."""

    def run(data):
        scaler = StandardScaler().fit(data["X"])
        Z, drawn = scaler.transform(data["X"]), np.empty_like(data["X"])
        for label in np.unique(data["y"]):
            own = data["y"] == label
            sample = make_model().fit(Z[own]).sample(own.sum())
            drawn[own] = sample[0] if isinstance(sample, tuple) else sample
        drawn = scaler.inverse_transform(drawn)
        return np.clip(drawn, data["X"].min(axis=0), data["X"].max(axis=0))

    return run


def mixture():
    return GaussianMixture(2, reg_covar=1e-3, random_state=0)


def kernel():
    search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.05, 1, 12)}, cv=5)

    class Fitted:
        def fit(self, X):
            self.best = search.fit(X).best_estimator_
            return self

        def sample(self, n):
            return self.best.sample(n, random_state=0)

    return Fitted()


def transport(A, B):
    """Return the optimal transport cost between two samples, by linear programming."""
    cost, (m, n) = cdist(A, B, "cityblock"), (len(A), len(B))
    rows = sparse.kron(sparse.eye(m), np.ones((1, n)))
    columns = sparse.kron(np.ones((1, m)), sparse.eye(n))
    weights = np.append(np.full(m, 1 / m), np.full(n, 1 / n))
    constraints = sparse.vstack([rows, columns]).tocsr()[:-1]
    return linprog(cost.ravel(), A_eq=constraints, b_eq=weights[:-1], method="highs-ds").fun


def table_quality(data, drawn):
    from sklearn_extra_ml.metrics import distance_to_closest_record, train_on_synthetic_score

    real = (data["X"], data["y"], data["X_test"], data["y_test"])
    scaler = MinMaxScaler().fit(np.concatenate((data["X"], data["X_test"])))
    indicators = np.eye(data["y"].max() + 1)
    a = np.c_[scaler.transform(drawn), indicators[data["y"]]]
    b = np.c_[scaler.transform(data["X_test"]), indicators[data["y_test"]]]
    standard = StandardScaler().fit(data["X"])
    scaled = [standard.transform(rows) for rows in (data["X"], drawn, data["X_test"])]
    records = distance_to_closest_record(scaled[0], scaled[1], X_holdout=scaled[2])
    return {
        "F1 ratio": train_on_synthetic_score(drawn, data["y"], *real).ratio,
        "W1": transport(a, b),
        "nearer train": records.share_nearer_train,
    }


def eight_gaussians(n, rng):
    angle = rng.integers(8, size=n) * np.pi / 4
    centers = 2.828 * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return centers + 0.354 * rng.normal(size=(n, 2))


def checkerboard(n, rng):
    x = rng.uniform(-4, 4, size=n)
    square = np.floor((x + 4) / 2).astype(int) % 2
    return np.stack(
        (x, 4 * rng.integers(2, size=n) + 2 * square - 4 + rng.uniform(0, 2, size=n)), 1
    )


def swiss_roll(n, rng):
    t = 1.5 * np.pi * (1 + 2 * rng.uniform(size=n))
    return np.stack((t * np.cos(t), t * np.sin(t)), 1) / 10 + 0.05 * rng.normal(size=(n, 2))


def moons(noise):
    return lambda n, rng: make_moons(n, noise=noise, random_state=int(rng.integers(2**31)))[0]


def circles(n, rng):
    return make_circles(n, noise=0.05, factor=0.5, random_state=int(rng.integers(2**31)))[0]


# name -> (generator, entropy in nats)
DENSITIES = {
    "8 Gaussians": (eight_gaussians, 2.838),
    "moons 0.1": (moons(0.1), 1.006),
    "circles": (circles, 0.607),
    "checkerboard": (checkerboard, 3.466),
    "moons 0.05": (moons(0.05), 0.286),
    "swiss roll": (swiss_roll, 0.584),
}


def make_density(name):
    generate, entropy = DENSITIES[name]
    rng = np.random.default_rng(0)
    return {"X": generate(10_000, rng), "X_test": generate(2000, rng), "entropy": entropy}


def our_density(data):
    from sklearn_extra_ml.neural_network import DiffusionModel

    return DiffusionModel(random_state=0).fit(data["X"])


def mixture_density(data):
    return GaussianMixture(30, random_state=0).fit(data["X"])


def kernel_density(data):
    search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.02, 0.5, 8)}, cv=3)
    return search.fit(data["X"]).best_estimator_


def density_quality(data, model):
    from sklearn_extra_ml.metrics import energy_distance

    sample = model.sample(2000)
    sample = sample[0] if isinstance(sample, tuple) else sample
    return {
        "nats above the entropy": -model.score_samples(data["X_test"]).mean() - data["entropy"],
        "energy distance": energy_distance(sample, data["X_test"]),
    }


def make_digits():
    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs make features good enough
        network = MLPClassifier((64,), random_state=0).fit(X / 16, y)
    weights, bias = network.coefs_[0], network.intercepts_[0]
    return {
        "X": train,
        "y": y_train,
        "X_test": test,
        "y_test": y_test,
        "labels": np.repeat(np.arange(10), 200),
        "features": lambda rows: np.maximum(rows / 16 @ weights + bias, 0),
    }


def our_digits(**params):
    def run(data):
        from sklearn_extra_ml.neural_network import DiffusionModel

        model = DiffusionModel(random_state=0, **params).fit(data["X"], data["y"])
        y = data["labels"]
        return [model.sample(len(y), y=y, random_state=seed) for seed in range(3)]

    return run


def digits_by_class(make_model):
    """Fit a density to the principal components of each class and draw as often."""

    def run(data):
        draws = np.empty((3, 2000, data["X"].shape[1]))
        for label in range(10):
            rows = data["X"][data["y"] == label]
            codes = PCA(30, random_state=0).fit(rows)
            model = make_model().fit(codes.transform(rows))
            drawn = model.sample(600)
            drawn = codes.inverse_transform(drawn[0] if isinstance(drawn, tuple) else drawn)
            chosen = np.random.default_rng(label).permutation(600)  # a mixture draws part by part
            draws[:, data["labels"] == label] = drawn[chosen].reshape(3, 200, -1)
        return list(np.clip(draws, 0, 16))

    return run


def digits_quality(data, draws):
    from sklearn_extra_ml.metrics import distance_to_closest_record, frechet_distance

    judges = {
        "SVC": SVC(),
        "LogisticRegression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=5000)),
        "the same, standardized": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=5000)
        ),
    }
    found = []
    for rows in draws:
        quality = {
            name: judge.fit(rows, data["labels"]).score(data["X_test"], data["y_test"])
            for name, judge in judges.items()
        }
        quality["FID"] = frechet_distance(rows, data["X_test"], feature_extractor=data["features"])
        records = distance_to_closest_record(data["X"], rows, X_holdout=data["X_test"])
        quality["nearer train"] = records.share_nearer_train
        found.append(quality)
    return {name: np.mean([quality[name] for quality in found]) for name in found[0]}


def make_folds(name):
    X, y = LOADERS[name](return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    return {"X": X, "y": y, "folds": list(folds)}


def our_classifier(**params):
    def make():
        from sklearn_extra_ml.neural_network import DiffusionClassifier

        return DiffusionClassifier(random_state=0, **params)

    return classified(make)


def classified(make_model):
    """Predict each row by a model of the four other folds; also the seconds of the predictions."""

    def run(data):
        X, y, seconds = data["X"], data["y"], 0.0
        probabilities = np.empty((len(y), y.max() + 1))
        for learn, judge in data["folds"]:
            model = make_model().fit(X[learn], y[learn])
            start = time.perf_counter()
            probabilities[judge] = model.predict_proba(X[judge])
            seconds += time.perf_counter() - start
        return probabilities, seconds

    return run


def classifier_quality(data, result):
    probabilities, seconds = result
    return {
        "accuracy": np.mean(probabilities.argmax(axis=1) == data["y"]),
        "log loss": log_loss(data["y"], probabilities),
        "predict, ms a row": 1000 * seconds / len(data["y"]),
    }


CLASSIFIERS = {
    "MLPClassifier": classified(
        lambda: make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
    ),
    "LogisticRegression": classified(lambda: make_pipeline(StandardScaler(), LogisticRegression())),
    "GaussianNB": classified(GaussianNB),
}

CASES = (
    [
        Case(
            f"table: {name}",
            lambda name=name: make_table(name),
            {
                "sklearn-extra-ml": ours,
                "Gaussian mixture by class": by_class(mixture),
                "kernel density by class": by_class(kernel),
            },
            table_quality,
            repeats=1,
            note="Time of fit and sample.",
        )
        for name in LOADERS
    ]
    + [
        Case(
            f"density: {name}",
            lambda name=name: make_density(name),
            {
                "sklearn-extra-ml": our_density,
                "Gaussian mixture (30)": mixture_density,
                "kernel density": kernel_density,
            },
            density_quality,
            repeats=0,
            note="10,000 rows; time of the fit, peers with their search for the bandwidth.",
        )
        for name in DENSITIES
    ]
    + [
        Case(
            "digits",
            make_digits,
            {
                "sklearn-extra-ml": our_digits(),
                "the same, quantiles, three blocks of 256": our_digits(
                    standardize="quantile",
                    hidden_layer_sizes=(256, 256, 256),
                    max_iter=460,
                    n_sampling_steps=40,
                ),
                "U-Net": our_digits(image_shape=(1, 8, 8)),
                "U-Net, quantiles, attention, dropout=0.1": our_digits(
                    image_shape=(1, 8, 8),
                    standardize="quantile",
                    attention=True,
                    dropout=0.1,
                    max_iter=400,
                ),
                "Gaussian mixture by class": digits_by_class(
                    lambda: GaussianMixture(5, covariance_type="diag", random_state=0)
                ),
                "kernel density by class": digits_by_class(lambda: KernelDensity(bandwidth=1.0)),
            },
            digits_quality,
            repeats=0,
            note="Time of the fit and of three draws of 2,000 rows.",
        )
    ]
    + [
        Case(
            f"classifier: {name}, five folds",
            lambda name=name: make_folds(name),
            {
                "sklearn-extra-ml": our_classifier(),
                f"the same, max_iter={few}": our_classifier(max_iter=few),
            }
            | CLASSIFIERS,
            classifier_quality,
            repeats=0,
            peer_repeats=1,
            note=f"Time of five fits and of the predictions of all rows. max_iter={few} is 100 steps.",
        )
        for name, few in (("wine", 100), ("breast cancer", 50))
    ]
)
