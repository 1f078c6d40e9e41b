"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._gaussian_ellipse import GaussianEllipseDisplay
from ._reachability import ReachabilityDisplay
from ._single_linkage import SingleLinkageDisplay
from ._spanning_tree import MinimumSpanningTreeDisplay
from ._state_sequence import StateSequenceDisplay
from ._transition_graph import TransitionGraphDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "GaussianEllipseDisplay",
    "MinimumSpanningTreeDisplay",
    "ReachabilityDisplay",
    "SingleLinkageDisplay",
    "StateSequenceDisplay",
    "TransitionGraphDisplay",
]
