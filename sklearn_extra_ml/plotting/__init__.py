"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay

__all__ = ["CondensedTreeDisplay"]
