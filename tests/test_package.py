"""The package as a whole: what it reports, and what its build promises."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sklearn_extra_ml.__main__
from sklearn_extra_ml._core._validation import bad_value
from sklearn_extra_ml._native._build_info import build_info

ROOT = Path(sklearn_extra_ml.__file__).parents[1]


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


def test_main_module_prints_versions_flags_path_and_threads():
    code = "import runpy; runpy.run_module('sklearn_extra_ml', run_name='__main__')"
    printed = python(code, OMP_NUM_THREADS="3")
    for fact in ("numpy", "compile flags", "SIMD path in use", "OpenMP", "torch"):
        assert f"\n{fact} " in printed
    assert "threads           3" in printed


def test_build_flags_keep_bits_equal_and_denormals_on():
    flags = build_info()["compile_flags"].split()
    assert "-ffp-contract=off" in flags
    assert not {"-ffast-math", "-march=native", "-Ofast"} & set(flags)


def test_thread_count_follows_environment_and_limit():
    code = (
        "from threadpoolctl import threadpool_limits as limit;"
        "from sklearn_extra_ml._core._threads import effective_n_threads as n;"
        "import numpy; a = n();\n"
        "with limit(1, user_api='openmp'): b = n()\n"
        "print(a, b, n())"
    )
    assert python(code, OMP_NUM_THREADS="5") == "5 1 5"


@pytest.mark.parametrize(("n_jobs", "expected"), [(3, "3"), (-1, "4"), (-2, "3"), (-9, "1")])
def test_n_jobs_counts_as_joblib_does(n_jobs, expected):
    code = (
        f"from sklearn_extra_ml._core._threads import effective_n_threads as n; print(n({n_jobs}))"
    )
    assert python(code, OMP_NUM_THREADS="4") == expected


def test_forked_child_goes_serial():
    code = (
        "import os; from sklearn_extra_ml._core._threads import effective_n_threads as n\n"
        "child = os.fork()\n"
        "os._exit(n()) if child == 0 else print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert python(code, OMP_NUM_THREADS="4") == "1"


def test_error_message_says_what_is_allowed_and_how_to_fix_it():
    error = bad_value("eps", -1, "is negative", "eps > 0", "Pass a positive radius.")
    assert str(error) == "`eps`=-1 is negative. Allowed: eps > 0. Pass a positive radius."


def test_unknown_attribute_of_the_package_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sklearn_extra_ml.nothing  # noqa: B018


def test_every_public_subpackage_is_listed():
    found = {
        p.parent.name
        for p in Path(sklearn_extra_ml.__file__).parent.glob("*/__init__.py")
        if not p.parent.name.startswith("_")
    }
    assert found == set(sklearn_extra_ml.__all__) - {"__version__"}
    assert found <= set(dir(sklearn_extra_ml))


def test_pinned_versions_lie_in_the_ranges_of_the_project():
    from packaging.requirements import Requirement

    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for text in (line for group in groups for line in group):
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[requirement.name]), text


def test_main_module_names_every_dependency():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {Requirement(text).name for text in project["dependencies"]}
    assert names == set(sklearn_extra_ml.__main__.DEPENDENCIES)
