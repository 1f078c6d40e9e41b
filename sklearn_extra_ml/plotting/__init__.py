"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._denoising_trajectory import DenoisingTrajectoryDisplay
from ._synthetic_comparison import SyntheticComparisonDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "DenoisingTrajectoryDisplay",
    "SyntheticComparisonDisplay",
]
