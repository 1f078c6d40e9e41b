"""Build the kernels for one instruction set at a time, and test that nothing changes.

``python tests/simd_paths.py`` builds a baseline and an AVX2 copy of the package below
``build/simd`` and, with each, (1) runs the kernels' own tests, (2) fits every estimator on fixed
data and compares a digest of all fitted arrays and outputs with that of the installed package,
whose kernels choose their path at run time. A path that returns other bits fails.
"""

import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ("baseline", "v3")
KERNEL_TESTS = ("tests/core", "tests/cluster")


def digest_of(estimator, X, y):
    """Return the digest of every array that a fit and its methods give."""
    import numpy as np

    estimator.fit(X, y)
    found = {name: v for name, v in vars(estimator).items() if isinstance(v, np.ndarray | float)}
    for method in ("predict", "transform"):
        if hasattr(estimator, method):
            found[method] = getattr(estimator, method)(X[::3])
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(found[name]).tobytes())
    return digest.hexdigest()[:16]


def print_digests():
    """Print one line per estimator, data set and dtype."""
    import numpy as np
    from sklearn.datasets import load_digits, make_blobs

    sys.path.insert(0, str(ROOT / "tests"))
    from test_common import INSTANCES

    low = make_blobs(3000, 2, centers=12, random_state=0)
    high = load_digits(return_X_y=True)
    warnings.simplefilter("ignore")
    for estimator in INSTANCES:
        if "neural_network" in type(estimator).__module__:
            continue  # no kernels of ours
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=0)
        for label, (X, y) in (("low", low), ("high", high)):
            for dtype in (np.float32, np.float64):
                X = np.abs(X).astype(dtype)
                print(estimator, label, dtype.__name__, digest_of(estimator, X, y))


def run(*command, **environment):
    print("+", *command, flush=True)
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nfailed with exit status {done.returncode}")
    return done.stdout


def main():
    digest = (sys.executable, "-P", __file__, "--digests")
    expected = run(*digest)
    for level in LEVELS:
        target = ROOT / "build" / "simd" / level
        run(
            *(sys.executable, "setup.py", "-q", "build", "--build-base", f"build/simd-{level}"),
            *("--build-lib", str(target)),
            SEM_SIMD=level,
        )
        here = {"PYTHONPATH": str(target)}
        shown = run(sys.executable, "-P", "-m", "sklearn_extra_ml", **here)
        if f"SIMD build        {level}" not in shown:
            raise SystemExit(f"the {level} build was not the one imported:\n{shown}")
        tests = run(
            *(sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *KERNEL_TESTS,
            **here,
        )
        print(tests.strip().splitlines()[-1])
        if run(*digest, **here) != expected:
            raise SystemExit(f"the {level} kernels return other bits than the run-time choice")
        print(f"{level}: {expected.count(chr(10))} digests equal")


if __name__ == "__main__":
    print_digests() if "--digests" in sys.argv else main()
