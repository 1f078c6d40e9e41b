"""Linear models: robust regression by consensus."""

from ._ransac import RANSACRegressor

__all__ = ["RANSACRegressor"]
