from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kd_tree import KDTree

def spanning_tree(
    tree: KDTree,
    core_distances: NDArray[Any],
    list_reduced: NDArray[Any],
    list_positions: NDArray[np.int32],
    alpha: float,
    edges: NDArray[np.intp],
    weights: NDArray[np.float64],
    n_threads: int,
) -> int: ...
