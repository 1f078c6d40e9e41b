"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._embedding import EmbeddingDisplay

__all__ = ["CondensedTreeDisplay", "ConsensusDisplay", "EmbeddingDisplay"]
