import numpy as np
from numpy.typing import NDArray

class Tree:
    @property
    def size(self) -> int: ...

def morton_codes(
    y: NDArray[np.float32],
    n: int,
    low: NDArray[np.float64],
    width: float,
    n_threads: int,
    codes: NDArray[np.uint64],
) -> None: ...
def build(codes: NDArray[np.uint64], y: NDArray[np.float32], width: float) -> Tree: ...
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
