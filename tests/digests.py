"""Digests of all that a fit gives, to compare builds, thread counts and kinds of input bit by bit.

``python -P tests/digests.py`` prints one line for every estimator, data set and dtype.
"""

import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs


def digest(estimator, X, y, query=None):
    """Fit a clone, and return the digest of its fitted arrays and of its predictions."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    estimator.fit(X, y)
    names = {*vars(estimator), *(n for n in dir(type(estimator)) if n[0] != "_" and n[-1] == "_")}
    found = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    found = {name: v for name, v in found.items() if isinstance(v, np.ndarray | float)}
    found.pop("feature_names_in_", None)
    for method in ("predict", "transform"):
        if hasattr(estimator, method):
            found[method] = np.asarray(getattr(estimator, method)(X if query is None else query))
    result = hashlib.sha256()
    for name in sorted(found):
        result.update(name.encode())
        result.update(np.ascontiguousarray(found[name]).tobytes())
    return result.hexdigest()[:16]


def data_sets():
    """Yield (name, X, y): many points in the plane, and images in 64 dimensions."""
    X, y = make_blobs(8000, 2, centers=12, random_state=0)
    yield "blobs", X - X.min(), y % 3
    yield "digits", *load_digits(return_X_y=True)


def main():
    sys.path.insert(0, str(Path(__file__).parent))
    from test_common import INSTANCES

    warnings.simplefilter("ignore")
    for name, X, y in data_sets():
        for dtype in (np.float32, np.float64):
            for estimator in INSTANCES:
                if "neural_network" not in type(estimator).__module__:  # no kernels of ours there
                    print(estimator, name, dtype.__name__, digest(estimator, X.astype(dtype), y))


if __name__ == "__main__":
    main()
