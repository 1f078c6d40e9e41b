from typing import Any

import numpy as np
from numpy.typing import NDArray

def weighted_sizes(
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    weight: NDArray[np.float64],
    size: NDArray[np.float64],
) -> None: ...
def condense(
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    size: NDArray[np.intp] | NDArray[np.float64],
    distance: NDArray[np.float64],
    smallest_level: float,
    weight: NDArray[np.float64],
    core: NDArray[np.float64],
    min_cluster_size: float,
    row_cluster: NDArray[np.intp],
    row_level: NDArray[np.float64],
    parent: NDArray[np.intp],
    birth: NDArray[np.float64],
    death: NDArray[np.float64],
    cluster_size: NDArray[np.float64],
    stability: NDArray[np.float64],
) -> int: ...
def simplify(
    parent: NDArray[np.intp],
    birth: NDArray[np.float64],
    death: NDArray[np.float64],
    persistence: float,
    merged: NDArray[np.intp],
    floor: NDArray[np.float64],
) -> None: ...
def lowest_rows(X: NDArray[Any], group: NDArray[np.intp], lowest: NDArray[np.intp]) -> None: ...
def lift_lowest_rows(
    X: NDArray[Any], parent: NDArray[np.intp], lowest: NDArray[np.intp]
) -> None: ...
def order_clusters(
    X: NDArray[Any],
    birth: NDArray[np.float64],
    lowest: NDArray[np.intp],
    longest: int,
    order: NDArray[np.intp],
) -> bool: ...
def renumber(number: NDArray[np.intp], row_cluster: NDArray[np.intp]) -> None: ...
def excess_of_mass(
    parent: NDArray[np.intp],
    stability: NDArray[np.float64],
    allowed: NDArray[np.uint8],
    selected: NDArray[np.uint8],
) -> None: ...
def most_stable(
    parent: NDArray[np.intp],
    stability: NDArray[np.float64],
    allowed: NDArray[np.uint8],
    n_wanted: int,
    selected: NDArray[np.uint8],
) -> int: ...
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
