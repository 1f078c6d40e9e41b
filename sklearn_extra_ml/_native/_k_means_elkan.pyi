import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]

def elkan_assign(
    X: Real,
    offset: Real,
    centers: Real,
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    upper: NDArray[np.float64],
    lower: Real,
    drift: NDArray[np.float64],
    half: NDArray[np.float64],
    half_gap: NDArray[np.float64],
    first: bool,
    n_threads: int,
) -> None: ...
def elkan_assign_sparse(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    centers: NDArray[np.float64],
    c2: NDArray[np.float64],
    labels: NDArray[np.int32],
    old_labels: NDArray[np.int32],
    upper: NDArray[np.float64],
    lower: Real,
    drift: NDArray[np.float64],
    half: NDArray[np.float64],
    half_gap: NDArray[np.float64],
    first: bool,
    n_threads: int,
) -> None: ...
