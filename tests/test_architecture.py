"""Imports point down only, families do not know each other, private names enter by one door."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sklearn_extra_ml

ROOT = Path(sklearn_extra_ml.__file__).parent
KERNELS = ROOT.parent / "src_cython" / "sklearn_extra_ml"
DOOR = "_core/_validation.py"
LEVEL = {"_native": 1, "_core": 2, "_torch": 2, "plotting": 4}  # everything else: 3
TOP = {"__init__", "__main__", "_version"}


def room(module):
    """Return the folder of ``sklearn_extra_ml.<folder>...``, or None for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "sklearn_extra_ml" else None


def level(folder):
    return LEVEL.get(folder, 3)


def imported_modules(path):
    """Yield the absolute names that a module imports, relative imports resolved."""
    package = ("sklearn_extra_ml", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *(node.module or "").split(".")[: 99 if node.module else 0]))
            yield from (f"{stem}.{alias.name}" for alias in node.names)


PY_FILES = sorted(p for p in ROOT.rglob("*.py"))
BY_NAME = pytest.mark.parametrize("path", PY_FILES, ids=lambda p: p.relative_to(ROOT).as_posix())


@BY_NAME
def test_imports_point_down(path):
    own = path.relative_to(ROOT).parts[0]
    if own.removesuffix(".py") in TOP:
        return
    for module in imported_modules(path):
        other = room(module)
        if other in (None, own, "_version") or level(other) < level(own):
            continue
        if {own, other} == {"_torch", "_core"} and own == "_torch":
            continue  # the torch core may use the shared core, never the other way round
        pytest.fail(f"{path.relative_to(ROOT)} (level {level(own)}) imports {module}")


def test_no_file_imports_itself_by_way_of_others():
    files = {
        ".".join(("sklearn_extra_ml", *path.relative_to(ROOT).with_suffix("").parts)): path
        for path in PY_FILES
    }
    below = {}
    for name, path in files.items():
        # of ``from ._file import name`` the file
        found = {module.rpartition(".")[0] for module in imported_modules(path)}
        below[name] = (found | set(imported_modules(path))) & set(files)
    assert sum(map(len, below.values())) > 300
    tuple(TopologicalSorter(below).static_order())  # a `CycleError` names the circle


@BY_NAME
def test_private_names_of_scikit_learn_enter_by_one_door(path):
    if path.relative_to(ROOT).as_posix() == DOOR:
        return
    for module in imported_modules(path):
        parts = module.split(".")
        private = [part for part in parts[1:] if part.startswith("_")]
        assert parts[0] != "sklearn" or not private, f"import {module} through {DOOR}"


@BY_NAME
def test_core_does_not_import_torch(path):
    if path.relative_to(ROOT).parts[0] not in ("_core", "_native"):
        return
    assert not {m.split(".")[0] for m in imported_modules(path)} & {"torch", "skorch"}


def test_kernels_cimport_kernels_only():
    for path in sorted(KERNELS.rglob("*.p[yx][xd]")):
        for line in path.read_text().splitlines():
            if "import" in line and "sklearn_extra_ml" in line and not line.startswith("#"):
                assert "sklearn_extra_ml._native" in line, f"{path.name}: {line}"


def test_every_kernel_has_a_stub():
    stubs = {p.stem for p in (ROOT / "_native").glob("*.pyi")}
    assert {p.stem for p in (KERNELS / "_native").glob("*.pyx")} == stubs


def test_import_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys, sklearn_extra_ml as m;"
        "[getattr(m, n) for n in m.__all__ if n != 'neural_network'];"
        "bad = {'torch', 'skorch', 'matplotlib'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_import_leaves_denormal_numbers_on():
    # gcc < 13 switches them off for the whole process when a module is linked with -ffast-math.
    code = (
        "import pkgutil, importlib, sklearn_extra_ml._native as n;"
        "[importlib.import_module(f'{n.__name__}.{m.name}')"
        " for m in pkgutil.iter_modules(n.__path__)];"
        "assert 0.25 * 2.0**-1022 > 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
