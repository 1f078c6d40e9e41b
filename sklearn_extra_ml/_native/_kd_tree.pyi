from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS: dict[str, int]
TILE: int
MAX_POINTS: int

class KDTree:
    is_float32: bool
    n_points: int
    n_features: int
    leaf_size: int
    n_nodes: int
    metric: int
    p: float
    @property
    def nbytes(self) -> int: ...
    def arrays(self) -> dict[str, bytes]: ...

def build_tree(
    X: NDArray[Any],
    offset: NDArray[np.float64] | None,
    metric: int,
    p: float,
    leaf_size: int,
    n_threads: int,
) -> KDTree: ...
def knn_positions(
    queries: KDTree,
    tree: KDTree,
    distances: NDArray[Any],
    positions: NDArray[np.int32],
    first_tile: int,
    last_tile: int,
    n_threads: int,
) -> int: ...
def rows_of_knn(
    queries: KDTree,
    tree: KDTree,
    reduced: NDArray[Any],
    positions: NDArray[np.int32],
    distances: NDArray[Any],
    rows: NDArray[np.intp],
    n_threads: int,
) -> None: ...
def core_of_lists(
    tree: KDTree,
    reduced: NDArray[Any],
    min_samples: int,
    core_distances: NDArray[Any],
    n_threads: int,
) -> None: ...
