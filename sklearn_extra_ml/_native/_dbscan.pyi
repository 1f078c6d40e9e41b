import numpy as np
from numpy.typing import NDArray

from ._kd_tree import KDTree

def mark_tight_nodes(tree: KDTree, sure: float, tight: NDArray[np.uint8]) -> None: ...
def root_box(tree: KDTree, box: NDArray[np.float64]) -> None: ...
def narrow_tiles(
    tree: KDTree,
    center: NDArray[np.float64],
    eps: float,
    out: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def count_core_points(
    tree: KDTree,
    rule: object,
    narrow: object | None,
    tight: NDArray[np.uint8],
    weights: NDArray[np.float64] | None,
    min_samples: float,
    tolerance: float,
    is_signed: bool,
    core: NDArray[np.uint16],
    undecided: NDArray[np.uint16],
    n_threads: int,
) -> bool: ...
def link_core_points(
    tree: KDTree,
    rule: object,
    narrow: object | None,
    tight: NDArray[np.uint8],
    core: NDArray[np.uint16],
    parent: NDArray[np.int32],
    n_threads: int,
) -> bool: ...
def number_components(
    tree: KDTree,
    core: NDArray[np.uint16],
    parent: NDArray[np.int32],
    labels: NDArray[np.intp],
    position_labels: NDArray[np.int32],
) -> int: ...
def label_queries(
    tree: KDTree,
    rule: object,
    narrow: object | None,
    tight: NDArray[np.uint8],
    core: NDArray[np.uint16],
    position_labels: NDArray[np.int32],
    queries: KDTree,
    narrow_queries: NDArray[np.float32] | None,
    wanted: NDArray[np.uint16],
    labels: NDArray[np.intp],
    n_threads: int,
) -> bool: ...
def rows_to_positions(
    tree: KDTree, values: NDArray[np.float64], out: NDArray[np.float64]
) -> None: ...
def rows_of_positions(tree: KDTree, rows: NDArray[np.intp]) -> None: ...
def expand_clusters(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    is_core: NDArray[np.uint8],
    labels: NDArray[np.intp],
) -> int: ...
def link_neighborhoods(
    rows: NDArray[np.intp],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    is_core: NDArray[np.uint8],
    parent: NDArray[np.int32],
    has_border: NDArray[np.uint8],
) -> int: ...
def roots_of(parent: NDArray[np.int32]) -> None: ...
def mirror_gap(
    data: NDArray[np.float64], indices: NDArray[np.int64], indptr: NDArray[np.int64]
) -> float: ...
