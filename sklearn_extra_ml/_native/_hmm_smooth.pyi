import numpy as np
from numpy.typing import NDArray

def smooth(
    log_density: NDArray[np.float64],
    offsets: NDArray[np.intp],
    weights: NDArray[np.float64],
    start: NDArray[np.float64],
    transmat: NDArray[np.float64],
    groups: NDArray[np.intp],
    singles: NDArray[np.intp],
    work: NDArray[np.float64],
    stored: NDArray[np.float64],
    posteriors: NDArray[np.float64],
    start_sum: NDArray[np.float64],
    pair_sum: NDArray[np.float64],
    log_likelihood: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def forward(
    log_density: NDArray[np.float64],
    offsets: NDArray[np.intp],
    start: NDArray[np.float64],
    transmat: NDArray[np.float64],
    groups: NDArray[np.intp],
    singles: NDArray[np.intp],
    work: NDArray[np.float64],
    filtered: NDArray[np.float64],
    row_log_likelihood: NDArray[np.float64],
    log_likelihood: NDArray[np.float64],
    n_threads: int,
) -> None: ...
