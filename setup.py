"""Build every kernel below ``src_cython/``.

A ``.pyx`` at ``src_cython/sklearn_extra_ml/_native/_name.pyx`` becomes the extension module
``sklearn_extra_ml._native._name``; a new kernel needs no edit here. Everything else about the
project stands in ``pyproject.toml``.

Switches, read from the environment at build time:

=================  ===========================================================================
``SEM_SIMD``       ``auto`` (default): each kernel holds an AVX-512, an AVX2 and a baseline
                   path and takes the best one at run time; ``baseline``, ``v3``, ``v4``: one
                   path only (x86-64 micro-architecture levels), for tests
``SEM_NO_OPENMP``  ``1``: serial kernels
``SEM_DEBUG``      ``1``: bounds checks, no optimisation, debug symbols
``SEM_SANITIZE``   ``1``: address and undefined-behaviour sanitizers
=================  ===========================================================================
"""

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("src_cython")
SIMD_LEVELS = ("auto", "baseline", "v3", "v4")


def _switch(name):
    return os.environ.get(name, "0") not in ("", "0")


SIMD = os.environ.get("SEM_SIMD") or "auto"
OPENMP = not _switch("SEM_NO_OPENMP")
DEBUG = _switch("SEM_DEBUG")
SANITIZE = _switch("SEM_SANITIZE")
if SIMD not in SIMD_LEVELS:
    raise SystemExit(f"SEM_SIMD={SIMD!r} is not known. Allowed: {', '.join(SIMD_LEVELS)}.")


def compile_flags():
    """Compiler and linker flags of this platform and these switches."""
    if sys.platform == "win32":
        return (["/Od", "/Zi"] if DEBUG else ["/O2"]) + (["/openmp"] if OPENMP else []), []
    # Never -ffast-math (it switches denormals off for the whole process when linked by
    # gcc < 13) and never -march=native (the wheel must run on any CPU). Without FMA
    # contraction every SIMD path returns the same bits.
    compile_args = ["-O1", "-g"] if DEBUG else ["-O3", "-g0"]
    compile_args += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
    link_args = []
    if OPENMP and sys.platform != "darwin":
        compile_args.append("-fopenmp")
        link_args.append("-fopenmp")
    elif OPENMP:
        compile_args += ["-Xpreprocessor", "-fopenmp"]
        link_args.append("-lomp")
    if SANITIZE:
        sanitize = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"]
        compile_args += sanitize
        link_args += sanitize[:1]
    return compile_args, link_args


def files_behind(source):
    """Return the source itself and every header and ``.pxd`` that it reaches.

    They are the extension's ``depends``: a change rebuilds what it touches, and the sdist holds
    them all.
    """
    reached, todo = set(), [source]
    while todo:
        path = todo.pop()
        if path in reached or not path.exists():
            continue
        reached.add(path)
        text = path.read_text()
        todo += [SOURCES / "include" / name for name in re.findall(r'"([\w/]+\.h)"', text)]
        modules = re.findall(r"from\s+[\w.]*\.(\w+)\s+cimport", text)
        todo += [path.with_name(f"{module}.pxd") for module in modules]
        if path.suffix == ".pyx":
            todo.append(path.with_suffix(".pxd"))
    return sorted(path.as_posix() for path in reached)


def find_extensions():
    """Return one ``Extension`` for each ``.pyx``, named by its place."""
    compile_args, link_args = compile_flags()
    macros = [
        (f"SEM_SIMD_{SIMD.upper()}", "1"),
        ("SEM_SIMD_SWITCH", f'"{SIMD}"'),
        ("SEM_COMPILE_FLAGS", f'"{" ".join(compile_args)}"'),
    ]
    return [
        Extension(
            name=".".join(pyx.relative_to(SOURCES).with_suffix("").parts),
            sources=[pyx.as_posix()],
            depends=files_behind(pyx),
            include_dirs=[(SOURCES / "include").as_posix()],
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for pyx in sorted(SOURCES.rglob("*.pyx"))
    ]


class BuildKernels(build_ext):
    """Translate to C below ``build/cython`` only when compiling, so an sdist holds no C."""

    def build_extensions(self):
        from Cython.Build import cythonize

        jobs = self.parallel or os.cpu_count() or 1
        translated = cythonize(
            self.extensions,
            include_path=[SOURCES.as_posix()],
            build_dir="build/cython",
            nthreads=jobs,
            compiler_directives={
                "language_level": "3",
                "boundscheck": DEBUG,
                "wraparound": False,
                "initializedcheck": False,
                "nonecheck": False,
                "cdivision": True,
                "embedsignature": True,
                "freethreading_compatible": True,
            },
        )
        for extension, c_extension in zip(self.extensions, translated, strict=True):
            extension.sources = c_extension.sources
        self.parallel = jobs
        super().build_extensions()


setup(ext_modules=find_extensions(), cmdclass={"build_ext": BuildKernels})
