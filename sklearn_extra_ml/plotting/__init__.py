"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._consensus import ConsensusDisplay

__all__ = ["ConsensusDisplay"]
