import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]
Float = NDArray[np.float64]

def distances_full(
    X: Real,
    means: Float,
    matrices: Float,
    triangular: bool,
    scale: Float,
    shift: Float,
    out: Float,
    n_threads: int,
) -> None: ...
def distances_tied(
    X: Real,
    center: Float,
    matrix: Float,
    triangular: bool,
    means: Float,
    scale: Float,
    shift: Float,
    out: Float,
    n_threads: int,
) -> None: ...
def distances_diag(
    X: Real,
    means: Float,
    precisions: Float,
    scale: Float,
    shift: Float,
    out: Float,
    n_threads: int,
) -> None: ...
def affine_map(
    X: Real,
    center: Float,
    matrix: Float,
    shift: Float,
    out: Float,
    n_threads: int,
) -> None: ...
