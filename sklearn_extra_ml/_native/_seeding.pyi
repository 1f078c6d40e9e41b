from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32] | NDArray[np.float64]

def row_keys(keys: NDArray[np.uint64]) -> None: ...
def hash_dense(
    X: Real, keys: NDArray[np.uint64], out: NDArray[np.uint64], n_threads: int
) -> None: ...
def hash_sparse(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    keys: NDArray[np.uint64],
    out: NDArray[np.uint64],
) -> None: ...

class ContentOrder:
    n_rows: int
    n_buckets: int
    def __init__(
        self,
        hashes: NDArray[np.uint64],
        compare_rows: Callable[[int, int], int],
        bucket: NDArray[np.uint16],
        start: NDArray[np.intp],
        member: NDArray[np.intp],
        is_sorted: NDArray[np.uint8],
        mass: NDArray[np.float64],
        ranges: NDArray[np.float64],
    ) -> None: ...
    def weigh(self, value: Real, weight: Real, n_threads: int) -> float: ...
    def draw(
        self,
        value: Real,
        weight: Real,
        targets: NDArray[np.float64],
        rows: NDArray[np.intp],
    ) -> None: ...
    def remove(self, row: int, value: Real, weight: Real) -> float: ...

def try_by_blocks(
    X: Real,
    offset: Real,
    blocks: Real,
    candidates: Real,
    closest: Real,
    weight: Real,
    pot: NDArray[np.float64],
    n_threads: int,
    level: int,
) -> None: ...
def try_by_rows(
    X: Real,
    offset: Real,
    candidates: Real,
    quarter: Real,
    closest: Real,
    owner: NDArray[np.int32],
    weight: Real,
    trial: Real,
    pot: NDArray[np.float64],
    n_threads: int,
    level: int,
) -> None: ...
def take_trial(trial: Real, seed: int, closest: Real, owner: NDArray[np.int32]) -> None: ...
def try_sparse(
    data: Real,
    indices: NDArray[np.int32],
    indptr: NDArray[np.int32],
    candidates_t: NDArray[np.float64],
    c2: NDArray[np.float64],
    closest: Real,
    weight: Real,
    trial: Real,
    pot: NDArray[np.float64],
    n_threads: int,
) -> None: ...
