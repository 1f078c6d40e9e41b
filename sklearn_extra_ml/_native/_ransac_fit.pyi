import numpy as np
from numpy.typing import NDArray

def factor_rows(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    intercept: bool,
    mask: NDArray[np.uint8],
    n_threads: int,
    r: NDArray[np.float64],
) -> None: ...
def mark_within(
    blocks: NDArray,
    n_targets: int,
    squared: bool,
    model: NDArray[np.float64],
    threshold: float,
    n_threads: int,
    mask: NDArray[np.uint8],
) -> None: ...
def explained_sums(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    model: NDArray[np.float64],
    centre: NDArray[np.float64],
    mask: NDArray[np.uint8],
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
