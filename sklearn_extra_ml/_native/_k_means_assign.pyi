import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]

def simd_level() -> int: ...
def task_rows(n_clusters: int, n_features: int) -> int: ...
def assign_dense(
    X: Real,
    offset: Real,
    blocks: Real,
    centers: Real,
    distinct: NDArray[np.int32],
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    upper: NDArray[np.float32],
    lower: NDArray[np.float32],
    up_drift: NDArray[np.float64],
    low_drift: NDArray[np.float64],
    half_gap: NDArray[np.float64],
    settle: bool,
    n_threads: int,
    level: int,
) -> None: ...
def assign_sparse(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    centers_t: NDArray[np.float64],
    c2: NDArray[np.float64],
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    upper: NDArray[np.float32],
    lower: NDArray[np.float32],
    up_drift: NDArray[np.float64],
    low_drift: NDArray[np.float64],
    half_gap: NDArray[np.float64],
    settle: bool,
    n_threads: int,
) -> None: ...
def pack_blocks(X: Real, offset: Real, out: Real, n_threads: int, level: int) -> None: ...
def distances_dense(
    X: Real, offset: Real, centers: Real, out: Real, n_threads: int, level: int
) -> None: ...
def sq_distances_to_labels(
    X: Real,
    offset: Real,
    centers: Real,
    labels: NDArray[np.int32],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
