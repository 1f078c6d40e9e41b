import numpy as np
from numpy.typing import NDArray

def viterbi(
    log_density: NDArray[np.float64],
    offsets: NDArray[np.intp],
    log_start: NDArray[np.float64],
    log_transmat: NDArray[np.float64],
    groups: NDArray[np.intp],
    singles: NDArray[np.intp],
    tasks_at_once: int,
    work: NDArray[np.float64],
    path: NDArray[np.int32],
    log_probability: NDArray[np.float64],
    n_threads: int,
) -> None: ...
