import numpy as np
from numpy.typing import NDArray

def label_rows(
    cluster: NDArray[np.intp],
    level: NDArray[np.float64],
    label_below: NDArray[np.intp],
    root_level: float,
    n_threads: int,
    labels: NDArray[np.intp],
) -> None: ...
def describe_rows(
    cluster: NDArray[np.intp],
    level: NDArray[np.float64],
    label_below: NDArray[np.intp],
    root_level: float,
    death: NDArray[np.float64],
    densest: NDArray[np.float64],
    n_threads: int,
    probabilities: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None: ...
def label_sizes(
    labels: NDArray[np.intp], weight: NDArray[np.float64], size: NDArray[np.float64]
) -> None: ...
def judge_edges(
    edges: NDArray[np.intp],
    weights: NDArray[np.float64],
    labels: NDArray[np.intp],
    n_threads: int,
    sparseness: NDArray[np.float64],
    separation: NDArray[np.float64],
) -> float: ...
