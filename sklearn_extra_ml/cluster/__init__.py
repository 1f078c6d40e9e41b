"""Clustering: HDBSCAN."""

from ._hdbscan import HDBSCAN

__all__ = ["HDBSCAN"]
