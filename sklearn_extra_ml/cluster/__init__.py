"""Clustering: density-based."""

from ._dbscan import DBSCAN

__all__ = ["DBSCAN"]
