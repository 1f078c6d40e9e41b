"""RANSAC against scikit-learn's, with an equal number of trials.

Ours runs twice: by scikit-learn's rule (inliers counted, the deviation of the targets as threshold,
one final fit), and with its defaults (local optimisation, estimated threshold), which scikit-learn
has not; the quality columns tell what these buy.
"""

import numpy as np
from runner import Case


def make(n_rows, n_features, share):
    """Linear data with standard normal features, noise 0.1 and targets spoiled from -10 to 10."""
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(n_rows, n_features)), rng.normal(size=n_features)
    y = X @ w + 0.1 * rng.normal(size=n_rows)
    n_out = int(share * n_rows)
    y[:n_out] = rng.uniform(-10, 10, size=n_out)
    return {"X": X, "y": y, "w": w, "n_out": n_out}


def make_steps():
    """A function of two levels for trees, a third of the targets spoiled."""
    data = make(100_000, 5, 1 / 3)
    clean = np.where(data["X"][:, 0] > 0, 2.0, -1.0) + 0.5 * (data["X"][:, 1] > 0.5)
    rng = np.random.default_rng(1)
    y = clean + 0.1 * rng.normal(size=len(clean))
    y[: data["n_out"]] = rng.uniform(-10, 10, size=data["n_out"])
    return {"X": data["X"], "y": y, "clean": clean, "n_out": data["n_out"]}


SCIKIT_LEARN_RULE = {"scoring": "inliers", "local_optimization": False, "residual_threshold": None}


def ours(n_trials, **rule):
    def run(data):
        from sklearn_extra_ml.linear_model import RANSACRegressor

        ransac = RANSACRegressor(max_trials=n_trials, stop_probability=1, random_state=0, **rule)
        return ransac.fit(data["X"], data["y"])

    return run


def theirs(n_trials):
    def run(data):
        from sklearn.linear_model import RANSACRegressor

        ransac = RANSACRegressor(max_trials=n_trials, stop_probability=1, random_state=0)
        return ransac.fit(data["X"], data["y"])

    return run


TREE = {"min_samples": 500, "max_trials": 200, "stop_probability": 1, "random_state": 0}
SAME_RULE = {"residual_threshold": 1.0}


def our_tree(data, scoring="inliers", local_optimization=False, **rule):
    from sklearn.tree import DecisionTreeRegressor

    from sklearn_extra_ml.linear_model import RANSACRegressor

    ransac = RANSACRegressor(
        DecisionTreeRegressor(max_depth=3),
        n_jobs=-1,
        scoring=scoring,
        local_optimization=local_optimization,
        **TREE,
        **(rule or SAME_RULE),
    )
    return ransac.fit(data["X"], data["y"])


def our_tree_by_default(data):
    return our_tree(data, scoring="msac", local_optimization=True, residual_threshold="auto")


def their_tree(data):
    from sklearn.linear_model import RANSACRegressor
    from sklearn.tree import DecisionTreeRegressor

    ransac = RANSACRegressor(DecisionTreeRegressor(max_depth=3), **TREE, **SAME_RULE)
    return ransac.fit(data["X"], data["y"])


def quality(data, ransac):
    error = np.linalg.norm(ransac.estimator_.coef_ - data["w"])
    return {"n_trials": ransac.n_trials_, "coefficient error": error}


def tree_quality(data, ransac):
    error = np.abs(ransac.predict(data["X"]) - data["clean"]).mean()
    return {"n_trials": ransac.n_trials_, "mean error": error}


def linear_case(n_rows, n_features, share, n_trials, **kwargs):
    return Case(
        f"{n_rows:,} x {n_features}, {share:.0%} outliers, {n_trials:,} trials",
        lambda: make(n_rows, n_features, share),
        {
            "sklearn-extra-ml": ours(n_trials, **SCIKIT_LEARN_RULE),
            "sklearn-extra-ml, defaults": ours(n_trials),
            "scikit-learn": theirs(n_trials),
        },
        quality,
        **kwargs,
    )


CASES = [
    linear_case(
        1000, 3, 0.3, 100, repeats=25, note="Both stop after 92 to 100 trials: any is enough."
    ),
    linear_case(1000, 3, 0.6, 1000, repeats=9),
    linear_case(200_000, 10, 0.4, 1000, repeats=3),
    linear_case(20_000, 5, 0.7, 1000, repeats=5),
    Case(
        "decision tree of depth 3, 100,000 x 5, 33 % outliers, 200 trials",
        make_steps,
        {
            "sklearn-extra-ml": our_tree,
            "sklearn-extra-ml, defaults": our_tree_by_default,
            "scikit-learn": their_tree,
        },
        tree_quality,
        repeats=5,
        note="The same rule (inliers, threshold 1, no local optimisation), and ours by default.",
    ),
]
