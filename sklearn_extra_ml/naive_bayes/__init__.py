"""Naive Bayes: Gaussian, multinomial, Bernoulli, complement, categorical, and mixed columns."""

from ._bernoulli import BernoulliNB
from ._categorical import CategoricalNB
from ._complement import ComplementNB
from ._gaussian_nb import GaussianNB
from ._mixed import MixedNB
from ._multinomial import MultinomialNB

__all__ = [
    "BernoulliNB",
    "CategoricalNB",
    "ComplementNB",
    "GaussianNB",
    "MixedNB",
    "MultinomialNB",
]
