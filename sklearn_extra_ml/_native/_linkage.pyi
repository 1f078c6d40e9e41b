import numpy as np
from numpy.typing import NDArray

def single_linkage(
    edges: NDArray[np.intp],
    order: NDArray[np.intp],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    size: NDArray[np.intp],
) -> int: ...
def cut(
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    distance: NDArray[np.float64],
    cut_distance: float,
    component: NDArray[np.intp],
) -> None: ...
def spanning_forest(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    order: NDArray[np.intp],
    n: int,
    picked: NDArray[np.intp],
) -> int: ...
