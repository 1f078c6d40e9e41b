"""Measures of the quality of a result: of clusterings, and of generated rows."""

from ._density_validity import dbcv_score
from ._frechet import frechet_distance
from ._sample_distances import (
    coverage_score,
    distance_to_closest_record,
    energy_distance,
    rbf_mmd,
    sliced_wasserstein_distance,
)
from ._synthetic_tables import column_shapes, column_trends, train_on_synthetic_score

__all__ = [
    "column_shapes",
    "column_trends",
    "coverage_score",
    "dbcv_score",
    "distance_to_closest_record",
    "energy_distance",
    "frechet_distance",
    "rbf_mmd",
    "sliced_wasserstein_distance",
    "train_on_synthetic_score",
]
