import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]

def categorical_log_density(
    codes: NDArray[np.int32],
    offsets: NDArray[np.intp],
    table: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def categorical_counts(
    codes: NDArray[np.int32],
    offsets: NDArray[np.intp],
    posteriors: NDArray[np.float64],
    counts: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def poisson_log_density(
    X: Real,
    base: NDArray[np.float64],
    log_rate: NDArray[np.float64],
    constant: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def weighted_sums(
    X: Real, posteriors: NDArray[np.float64], sums: NDArray[np.float64], n_threads: int
) -> None: ...
def mix(
    parts: NDArray[np.float64],
    log_weights: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def share_out(
    shares: NDArray[np.float64], posteriors: NDArray[np.float64], n_threads: int
) -> None: ...
