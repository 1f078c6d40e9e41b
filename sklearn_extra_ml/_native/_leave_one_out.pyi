import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

BLOCK: int

def leave_one_out(
    X: Float,
    codes: NDArray[np.int32],
    row_weights: Float,
    removed: Float,
    means: Float,
    class_weights: Float,
    log_priors: Float,
    extra: int,
    reg_lambda: float,
    gammas: Float,
    vectors: Float,
    values: Float,
    error: Float,
    loss: Float,
    n_threads: int,
) -> None: ...
