import numpy as np
from numpy.typing import NDArray

N_STARTS: int

def mark_starts(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    intercept: bool,
    masks: NDArray[np.uint8],
) -> None: ...
