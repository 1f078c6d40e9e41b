"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._gaussian_ellipse import GaussianEllipseDisplay
from ._state_sequence import StateSequenceDisplay
from ._transition_graph import TransitionGraphDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "GaussianEllipseDisplay",
    "StateSequenceDisplay",
    "TransitionGraphDisplay",
]
