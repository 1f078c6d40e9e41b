"""Diffusion models on small tables and densities in two columns, beside scikit-learn's density models.

Tables: drawn by class from 80 % of the rows, judged on the other 20 % (split 0). ``F1 ratio`` is the
macro F1 of SVC, logistic regression and random forest trained on the drawn rows over that after the
real ones; ``W1`` the optimal transport (city block, columns scaled to [0, 1], classes as indicators)
to the test rows, as published for ForestDiffusion (Forest-Flow: iris 0.328, wine 1.421, breast cancer
1.749; TabDDPM took 226 s for each); ``nearer train`` the share of drawn rows nearer to a training row
than to a test row.

No tabular diffusion model of the scikit-learn world is packaged for this environment: the contenders are
what scikit-learn has.
"""

import numpy as np
from runner import Case
from scipy import sparse
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_circles, make_moons
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import MinMaxScaler, StandardScaler

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


CASES = [
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
] + [
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
