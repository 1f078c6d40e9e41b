"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._deep import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
]
