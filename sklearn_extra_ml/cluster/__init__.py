"""Clustering: k-means, DBSCAN, HDBSCAN."""

from ._dbscan import DBSCAN
from ._hdbscan import HDBSCAN
from ._k_means import KMeans
from ._k_means_plusplus import kmeans_plusplus

__all__ = ["DBSCAN", "HDBSCAN", "KMeans", "kmeans_plusplus"]
