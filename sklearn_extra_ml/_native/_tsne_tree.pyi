import numpy as np
from numpy.typing import NDArray

class Tree:
    @property
    def size(self) -> int: ...

def curve_bits(n_components: int, n: int, width: float) -> int: ...
def sort_on_curve(
    y: NDArray[np.float32],
    n: int,
    low: NDArray[np.float64],
    width: float,
    bits: int,
    n_threads: int,
    codes: NDArray[np.uint64],
    order: NDArray[np.int32],
) -> None: ...
def build(codes: NDArray[np.uint64], y: NDArray[np.float32], width: float, bits: int) -> Tree: ...
def gather_points(
    y: NDArray[np.float32], order: NDArray[np.int32], out: NDArray[np.float32]
) -> None: ...
def scatter_points(
    values: NDArray[np.float32], order: NDArray[np.int32], out: NDArray[np.float32]
) -> None: ...
def repulsion(
    tree: Tree,
    y: NDArray[np.float32],
    n: int,
    queries: NDArray[np.float32],
    n_queries: int,
    dof: float,
    angle: float,
    n_threads: int,
    force: NDArray[np.float32],
    potential: NDArray[np.float32],
) -> None: ...
