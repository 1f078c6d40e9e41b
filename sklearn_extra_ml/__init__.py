"""scikit-learn estimators that scikit-learn lacks, or has without speed or features its users need.

Subpackages load on first use: ``import sklearn_extra_ml`` imports neither torch nor matplotlib.
"""

import importlib

from ._version import __version__

__all__ = [
    "__version__",
    "cluster",
    "discriminant_analysis",
    "hmm",
    "linear_model",
    "manifold",
    "metrics",
    "model_selection",
    "naive_bayes",
    "neural_network",
    "plotting",
]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
