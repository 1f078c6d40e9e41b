"""Displays: what was fitted, drawn with matplotlib (``pip install "sklearn-extra-ml[plot]"``)."""

from ._condensed_tree import CondensedTreeDisplay
from ._consensus import ConsensusDisplay
from ._deep import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay
from ._denoising_trajectory import DenoisingTrajectoryDisplay
from ._embedding import EmbeddingDisplay
from ._gaussian_ellipse import GaussianEllipseDisplay
from ._reachability import ReachabilityDisplay
from ._sample_grid import SampleGridDisplay
from ._single_linkage import SingleLinkageDisplay
from ._spanning_tree import MinimumSpanningTreeDisplay
from ._state_sequence import StateSequenceDisplay
from ._synthetic_comparison import SyntheticComparisonDisplay
from ._transition_graph import TransitionGraphDisplay

__all__ = [
    "CondensedTreeDisplay",
    "ConsensusDisplay",
    "DenoisingTrajectoryDisplay",
    "EmbeddingDisplay",
    "GaussianEllipseDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "MinimumSpanningTreeDisplay",
    "ReachabilityDisplay",
    "ReconstructionDisplay",
    "SampleGridDisplay",
    "SingleLinkageDisplay",
    "StateSequenceDisplay",
    "SyntheticComparisonDisplay",
    "TransitionGraphDisplay",
]
