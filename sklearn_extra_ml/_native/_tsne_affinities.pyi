from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kd_tree import KDTree

def without_self(
    sq_distances: NDArray[Any],
    neighbors: NDArray[np.int32],
    first: int,
    n_threads: int,
    out_distances: NDArray[np.float32],
    out_neighbors: NDArray[np.int32],
) -> None: ...
def row_weights(values: NDArray[np.float32], log_perplexity: float, n_threads: int) -> None: ...
def count_edges(
    neighbors: NDArray[np.int32],
    n_threads: int,
    mutual: NDArray[np.uint8],
    indptr: NDArray[np.int64],
) -> None: ...
def fill_edges(
    neighbors: NDArray[np.int32],
    weights: NDArray[np.float32],
    mutual: NDArray[np.uint8],
    indptr: NDArray[np.int64],
    factor: float,
    n_threads: int,
    target: NDArray[np.int32],
    weight: NDArray[np.float32],
) -> None: ...
def reorder_rows(
    indptr: NDArray[np.int64], order: NDArray[np.intp], out_indptr: NDArray[np.int64]
) -> None: ...
def reorder_edges(
    indptr: NDArray[np.int64],
    new_indptr: NDArray[np.int64],
    order: NDArray[np.intp],
    position: NDArray[np.int32],
    values: NDArray[np.int32],
    n_threads: int,
    out: NDArray[np.int32],
) -> None: ...
def tree_rows(tree: KDTree, rows: NDArray[np.int32]) -> None: ...
