"""``python -m sklearn_extra_ml``: what is installed, and what the kernels use on this machine."""

import importlib
import platform
import sys
from importlib import metadata

from ._core._threads import effective_n_threads
from ._native._build_info import build_info
from ._version import __version__

DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl", "narwhals")
EXTRAS = ("torch", "skorch", "safetensors", "matplotlib", "rich", "dask")


def _installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _torch_device():
    """Return the device that ``device="auto"`` would take, or None without torch."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "cpu"


def versions():
    """Return (name, value) pairs: versions, build flags, SIMD path, threads, torch device."""
    built = build_info()
    openmp = f"{built['openmp']}" if built["openmp"] else "off (serial build)"
    rows = [
        ("sklearn-extra-ml", __version__),
        ("python", f"{platform.python_version()} ({sys.platform}, {platform.machine()})"),
        *((name, _installed(name)) for name in (*DEPENDENCIES, *EXTRAS)),
        ("compiler", built["compiler"]),
        ("compile flags", built["compile_flags"]),
        ("SIMD build", built["simd_build"]),
        ("SIMD path in use", built["simd_path"]),
        ("OpenMP", openmp),
        ("threads", str(effective_n_threads())),
    ]
    device = _torch_device()
    return rows if device is None else [*rows, ("torch device", device)]


def main():
    """Print one line for each fact, for bug reports."""
    rows = versions()
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}s}  {value}" for name, value in rows))


if __name__ == "__main__":
    main()
