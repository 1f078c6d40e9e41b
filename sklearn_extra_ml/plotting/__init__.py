"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._reachability import ReachabilityDisplay
from ._single_linkage import SingleLinkageDisplay
from ._spanning_tree import MinimumSpanningTreeDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "MinimumSpanningTreeDisplay",
    "ReachabilityDisplay",
    "SingleLinkageDisplay",
]
