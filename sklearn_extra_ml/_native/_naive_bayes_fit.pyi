import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]
Codes = NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float32] | NDArray[np.float64]

NEGATIVE: int
NOT_FINITE: int

def find_origins(
    X: Real, y: NDArray[np.int32], origin: NDArray[np.float64], n_missing: int
) -> int: ...
def add_moments(
    X: Real,
    y: NDArray[np.int32],
    sample_weight: NDArray[np.float64],
    origin: NDArray[np.float64],
    missing: bool,
    mass: NDArray[np.float64],
    mean: NDArray[np.float64],
    m2: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def add_sums(
    X: Real,
    y: NDArray[np.int32],
    sample_weight: NDArray[np.float64],
    binary: bool,
    threshold: float,
    missing: bool,
    sums: NDArray[np.float64],
    mass: NDArray[np.float64],
    n_threads: int,
) -> int: ...
def wrong_values(data: Real, missing: bool, n_threads: int) -> int: ...
def add_sparse_sums(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    first: int,
    last: int,
    y: NDArray[np.int32],
    sample_weight: NDArray[np.float64],
    what: int,
    threshold: float,
    mean: NDArray[np.float64],
    sums: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def largest_codes(X: Codes, largest: NDArray[np.int64], missing: bool, n_threads: int) -> int: ...
def add_category_counts(
    X: Codes,
    y: NDArray[np.int32],
    sample_weight: NDArray[np.float64],
    offsets: NDArray[np.intp],
    counts: NDArray[np.float64],
    n_threads: int,
) -> None: ...
