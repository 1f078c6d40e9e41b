"""Maps of high-dimensional data."""

from ._tsne import TSNE

__all__ = ["TSNE"]
