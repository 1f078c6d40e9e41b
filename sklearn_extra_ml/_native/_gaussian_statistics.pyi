import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]
Float = NDArray[np.float64]

def accumulate(
    X: Real,
    codes: NDArray[np.int32],
    shares: Float,
    sample_weight: Float,
    pooled: bool,
    chunk: int,
    slice_rows: int,
    weights: Float,
    means: Float,
    scatter: Float,
    full: bool,
    n_threads: int,
) -> None: ...
def merge(
    weights: Float,
    means: Float,
    scatter: Float,
    other_weights: Float,
    other_means: Float,
    other_scatter: Float,
    full: bool,
) -> None: ...
def mirror(scatter: Float, d: int) -> None: ...
