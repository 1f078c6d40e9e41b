from typing import Any

import numpy as np
from numpy.typing import NDArray

def pack_tiles(X: NDArray[np.float64]) -> NDArray[np.float64]: ...
def pairwise(
    queries: NDArray[np.float64],
    tiles: NDArray[np.float64],
    metric: int,
    p: float,
    n_threads: int,
    out: NDArray[np.float64],
) -> None: ...
def kth_distances(
    X: NDArray[np.float64],
    tiles: NDArray[np.float64],
    n: int,
    k: int,
    metric: int,
    p: float,
    n_threads: int,
    out: NDArray[np.float64],
) -> None: ...
def spanning_tree(
    X: NDArray[np.float64],
    core: NDArray[np.float64],
    metric: int,
    p: float,
    n_threads: int,
    edges: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> None: ...
def spanning_tree_step(
    distance: NDArray[np.float64],
    core: NDArray[np.float64],
    source: int,
    open: NDArray[np.uint8],
    best: NDArray[np.float64],
    best_distance: NDArray[np.float64],
    best_source: NDArray[np.intp],
) -> int: ...
def spanning_tree_of_matrix(
    D: NDArray[Any],
    core: NDArray[np.float64],
    exactly_symmetric: bool,
    edges: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> None: ...
def all_points_core_distances(
    distance: NDArray[np.float64],
    first: int,
    n_features: float,
    n_threads: int,
    out: NDArray[np.float64],
) -> None: ...
def lightest_to_others(
    distance: NDArray[np.float64],
    core: NDArray[np.float64],
    group: NDArray[np.intp],
    first: int,
    n_threads: int,
    out: NDArray[np.float64],
) -> None: ...
