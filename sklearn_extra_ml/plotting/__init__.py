"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay

__all__ = ["CondensedTreeDisplay", "ConsensusDisplay"]
