"""Parameter error of robust regressions on a grid of contaminations; JSON for the documentation.

``python benchmarks/accuracy_ransac.py [--seeds N] [--jobs N]`` fits, for every cell of the grid
(kind of outliers, features, noise, share of outliers) and every seed, ours with its defaults,
scikit-learn's RANSAC with ten times the trials, Huber, Theil-Sen, and least squares on the true
inliers, and writes the median error of (coefficients, intercept) of each to
``results/ransac_accuracy.json``. Theil-Sen is slow and gets a tenth of the seeds.

Data: 1,000 rows, standard normal features, coefficients of norm 2. Scattered outliers have a target
drawn from -10 to 10; clustered ones lie around one point three away from the centre (standard
deviation 0.5) with targets 10 above the plane (standard deviation 1).
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from runner import machine
from sklearn.linear_model import HuberRegressor, LinearRegression, TheilSenRegressor
from sklearn.linear_model import RANSACRegressor as ScikitLearnRANSAC

from sklearn_extra_ml.linear_model import RANSACRegressor

N_ROWS = 1000
KINDS = ("scattered", "clustered")
FEATURES = (1, 5, 20)
NOISE = (0.05, 0.1)
SHARES = (0.1, 0.2, 0.4, 0.6, 0.8)
TARGET = Path(__file__).parent / "results" / "ransac_accuracy.json"

FITS = {
    "sklearn-extra-ml": lambda seed: RANSACRegressor(random_state=seed, n_jobs=1),
    "scikit-learn, 1,000 trials": lambda seed: ScikitLearnRANSAC(
        max_trials=1000, random_state=seed
    ),
    "Huber": lambda seed: HuberRegressor(max_iter=1000),
    "Theil-Sen": lambda seed: TheilSenRegressor(random_state=seed, n_jobs=1),
}


def make(seed, kind, n_features, noise, share):
    """Return X, y, the mask of true inliers, and the true coefficients with the intercept last."""
    rng = np.random.default_rng([seed, n_features])
    X = rng.normal(size=(N_ROWS, n_features))
    w = rng.normal(size=n_features)
    w *= 2 / np.linalg.norm(w)
    b = rng.normal()
    y = X @ w + b + noise * rng.normal(size=N_ROWS)
    n_out = round(share * N_ROWS)
    out = rng.permutation(N_ROWS)[:n_out]
    if kind == "scattered":
        y[out] = rng.uniform(-10, 10, size=n_out)
    else:
        centre = rng.normal(size=n_features)
        centre *= 3 / np.linalg.norm(centre)
        X[out] = centre + 0.5 * rng.normal(size=(n_out, n_features))
        y[out] = X[out] @ w + b + 10 + rng.normal(size=n_out)
    inliers = np.ones(N_ROWS, dtype=bool)
    inliers[out] = False
    return X, y, inliers, np.append(w, b)


def error(model, truth):
    model = getattr(model, "estimator_", model)
    return float(np.linalg.norm(np.append(model.coef_, model.intercept_) - truth))


def one(seed, cell, n_seeds):
    """Errors of every contender on one data set; inf where a fit fails."""
    X, y, inliers, truth = make(seed, *cell)
    errors = {
        "least squares on the true inliers": error(
            LinearRegression().fit(X[inliers], y[inliers]), truth
        )
    }
    for name, build in FITS.items():
        if name == "Theil-Sen" and seed >= max(1, n_seeds // 10):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                errors[name] = error(build(seed).fit(X, y), truth)
            except ValueError:
                errors[name] = float("inf")
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    n = arguments.seeds
    cells = [(k, p, s, o) for k in KINDS for p in FEATURES for s in NOISE for o in SHARES]
    results = []
    with Parallel(n_jobs=arguments.jobs) as parallel:
        for cell in cells:
            runs = parallel(delayed(one)(seed, cell, n) for seed in range(n))
            names = runs[0].keys()
            medians = {m: float(np.median([r[m] for r in runs if m in r])) for m in names}
            results.append(
                dict(zip(("kind", "n_features", "noise", "share"), cell, strict=True))
                | {"errors": medians}
            )
            print(cell, {m: round(e, 4) for m, e in medians.items()}, flush=True)
    TARGET.parent.mkdir(exist_ok=True)
    content = {"machine": machine(), "n_seeds": n, "n_rows": N_ROWS, "results": results}
    TARGET.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
