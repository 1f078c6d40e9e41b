import numpy as np
from numpy.typing import NDArray

BLOCK: int
N_KEYS: int

def nh_sums(
    data: NDArray[np.uint8],
    keys: NDArray[np.uint32],
    n_threads: int,
    sums: NDArray[np.uint64],
) -> None: ...
