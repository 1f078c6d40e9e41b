from typing import Any

import numpy as np
from numpy.typing import NDArray

def condense(
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    size: NDArray[np.intp],
    level: NDArray[np.float64],
    min_cluster_size: int,
    row_cluster: NDArray[np.intp],
    row_event: NDArray[np.intp],
    parent: NDArray[np.intp],
    birth: NDArray[np.intp],
    death: NDArray[np.intp],
    cluster_size: NDArray[np.intp],
    stability: NDArray[np.float64],
) -> int: ...
def lowest_rows(X: NDArray[Any], group: NDArray[np.intp], lowest: NDArray[np.intp]) -> None: ...
def lift_lowest_rows(
    X: NDArray[Any], parent: NDArray[np.intp], lowest: NDArray[np.intp]
) -> None: ...
def excess_of_mass(
    parent: NDArray[np.intp],
    stability: NDArray[np.float64],
    size: NDArray[np.intp],
    max_cluster_size: int,
    allow_root: bool,
    selected: NDArray[np.uint8],
) -> None: ...
def merge_below(
    parent: NDArray[np.intp],
    birth_level: NDArray[np.float64],
    epsilon: float,
    allow_root: bool,
    selected: NDArray[np.uint8],
) -> None: ...
def leaves(parent: NDArray[np.intp], selected: NDArray[np.uint8]) -> None: ...
def nearest_selected(
    parent: NDArray[np.intp], selected: NDArray[np.uint8], nearest: NDArray[np.intp]
) -> None: ...
def attach(
    start: NDArray[np.intp],
    level: NDArray[np.float64],
    parent: NDArray[np.intp],
    birth_level: NDArray[np.float64],
    cluster: NDArray[np.intp],
) -> None: ...
def densest_levels(
    parent: NDArray[np.intp], death_level: NDArray[np.float64], densest: NDArray[np.float64]
) -> None: ...
