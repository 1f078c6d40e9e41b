import numpy as np
from numpy.typing import NDArray

def hash_rows(
    X: NDArray, keys: NDArray[np.uint64], n_threads: int, hashes: NDArray[np.uint64]
) -> None: ...
def hash_sparse_rows(
    data: NDArray,
    indices: NDArray[np.intp],
    indptr: NDArray[np.intp],
    keys: NDArray[np.uint64],
    n_threads: int,
    hashes: NDArray[np.uint64],
) -> None: ...
def mark_starts(
    X: NDArray,
    Y: NDArray,
    hashes: NDArray[np.uint64],
    order: NDArray[np.intp],
    starts: NDArray[np.uint8],
) -> None: ...
