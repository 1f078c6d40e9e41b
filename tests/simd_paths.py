"""Build the kernels for one instruction set at a time, and test that nothing changes.

``python tests/simd_paths.py`` builds a baseline and an AVX2 copy of the package below
``build/simd`` and, with each, (1) runs the kernels' own tests, (2) compares the digests of every
estimator with those of the installed package, whose kernels choose their path at run time. A path
that returns other bits fails.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ("baseline", "v3")
KERNEL_TESTS = tuple(
    f"tests/{family}"
    for family in (
        "core",
        "cluster",
        "discriminant_analysis",
        "hmm",
        "linear_model",
        "manifold",
        "naive_bayes",
    )
)


def run(*arguments, **environment):
    """Run Python without the checkout on its path, and return what it printed."""
    print("+ python", *arguments, flush=True)
    done = subprocess.run(
        (sys.executable, *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nfailed with exit status {done.returncode}")
    return done.stdout


def main():
    expected = run("-P", "tests/digests.py")
    for level in LEVELS:
        built = f"build/simd/{level}"
        run(
            *("setup.py", "-q", "build", "--build-base", f"build/simd-{level}"),
            *("--build-lib", built),
            SEM_SIMD=level,
        )
        here = {"PYTHONPATH": str(ROOT / built)}
        shown = run("-P", "-m", "sklearn_extra_ml", **here)
        if f"SIMD build        {level}\n" not in shown:
            raise SystemExit(f"another build than {level} was imported:\n{shown}")
        tests = run("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *KERNEL_TESTS, **here)
        print(tests.strip().splitlines()[-1])
        if run("-P", "tests/digests.py", **here) != expected:
            raise SystemExit(f"the {level} kernels return other bits than the run-time choice")
        print(f"{level}: {len(expected.splitlines())} digests equal")


if __name__ == "__main__":
    main()
