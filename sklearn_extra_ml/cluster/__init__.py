"""Clustering: k-means, HDBSCAN."""

from ._hdbscan import HDBSCAN
from ._k_means import KMeans
from ._k_means_plusplus import kmeans_plusplus

__all__ = ["HDBSCAN", "KMeans", "kmeans_plusplus"]
