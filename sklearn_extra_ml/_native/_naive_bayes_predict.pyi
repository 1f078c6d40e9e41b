import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]
Codes = NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float32] | NDArray[np.float64]

def add_densities(
    X: Real,
    a: NDArray[np.float64],
    scale: NDArray[np.float64],
    constant: NDArray[np.float64],
    base: NDArray[np.float64],
    binary: bool,
    threshold: float,
    missing: bool,
    joint: NDArray[np.float64],
    n_threads: int,
) -> int: ...
def add_sparse_densities(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    first: int,
    last: int,
    weight: NDArray[np.float64],
    curve: NDArray[np.float64],
    absent: NDArray[np.float64],
    base: NDArray[np.float64],
    binary: bool,
    threshold: float,
    joint: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def add_categories(
    X: Codes,
    offsets: NDArray[np.intp],
    table: NDArray[np.float64],
    joint: NDArray[np.float64],
    n_threads: int,
) -> int: ...
def best_classes(
    joint: NDArray[np.float64],
    log_prior: NDArray[np.float64],
    out: NDArray[np.int32],
    n_threads: int,
) -> None: ...
def normalise(
    joint: NDArray[np.float64], log_prior: NDArray[np.float64], exponentiate: bool, n_threads: int
) -> None: ...
