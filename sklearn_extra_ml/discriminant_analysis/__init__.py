"""Discriminant analysis: Gaussian classes, from one pooled variance to a matrix for each class."""

from ._gaussian_discriminant_analysis import GaussianDiscriminantAnalysis

__all__ = ["GaussianDiscriminantAnalysis"]
