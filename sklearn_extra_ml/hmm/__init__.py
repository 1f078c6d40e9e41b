"""Hidden Markov models: states that follow each other, seen through what they emit."""

from ._categorical import CategoricalHMM
from ._gaussian import GaussianHMM
from ._gaussian_mixture import GMMHMM
from ._multinomial import MultinomialHMM
from ._poisson import PoissonHMM

__all__ = ["GMMHMM", "CategoricalHMM", "GaussianHMM", "MultinomialHMM", "PoissonHMM"]
