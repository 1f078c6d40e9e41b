from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

PAD: int

class Rule(TypedDict):
    attraction: float
    repulsion: float
    rate: float
    momentum: float
    max_step: float

def attraction(
    indptr: NDArray[np.int64],
    target: NDArray[np.int32],
    weight: NDArray[np.float32],
    y: NDArray[np.float32],
    dof: float,
    n_threads: int,
    force: NDArray[np.float32],
) -> None: ...
def graph_log(
    indptr: NDArray[np.int64],
    target: NDArray[np.int32],
    weight: NDArray[np.float32],
    y: NDArray[np.float32],
    dof: float,
    n_threads: int,
) -> float: ...
def repulsion(
    queries: NDArray[np.float32],
    n_queries: int,
    y: NDArray[np.float32],
    dof: float,
    n_threads: int,
    force: NDArray[np.float32],
    potential: NDArray[np.float32],
    others: bool = ...,
) -> None: ...
def descend(
    y: NDArray[np.float32],
    attraction: NDArray[np.float32],
    repulsion: NDArray[np.float32],
    step: NDArray[np.float32],
    gain: NDArray[np.float32],
    n: int,
    rule: Rule,
    n_threads: int,
) -> float: ...
