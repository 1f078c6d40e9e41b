"""Measures of the quality of a result."""

from ._density_validity import dbcv_score

__all__ = ["dbcv_score"]
