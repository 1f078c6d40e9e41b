"""Clustering: k-means."""

from ._k_means import KMeans
from ._k_means_plusplus import kmeans_plusplus

__all__ = ["KMeans", "kmeans_plusplus"]
