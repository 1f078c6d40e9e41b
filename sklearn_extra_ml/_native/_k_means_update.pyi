import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]

def move_changed_rows(
    X: Real,
    offset: Real,
    sample_weight: Real,
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    counts: NDArray[np.int64],
    n_threads: int,
) -> int: ...
def move_changed_rows_sparse(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    sample_weight: Real,
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    counts: NDArray[np.int64],
    n_threads: int,
) -> int: ...
def average_centers(
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    centers: Real,
    centers_new: Real,
    shift: NDArray[np.float64],
) -> None: ...
def add_drift(
    shift: NDArray[np.float64], up_drift: NDArray[np.float64], low_drift: NDArray[np.float64]
) -> None: ...
def half_gaps(centers: Real, zero: Real, out: NDArray[np.float64], n_threads: int) -> None: ...
def column_moments(
    X: Real,
    sample_weight: Real,
    mean: NDArray[np.float64],
    m2: NDArray[np.float64],
    n_threads: int,
) -> float: ...
def same_clustering(
    labels: NDArray[np.int32], others: NDArray[np.int32], n_clusters: int
) -> bool: ...
