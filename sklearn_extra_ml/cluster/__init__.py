"""Clustering: k-means."""
