import numpy as np
from numpy.typing import NDArray

def narrow_rows(
    blocks: NDArray,
    n_threads: int,
    narrow: NDArray[np.float32],
    largest: NDArray[np.float32],
) -> None: ...
def screen_models(
    narrow: NDArray[np.float32],
    largest: NDArray[np.float32],
    n_rows: int,
    models: NDArray[np.float64],
    quadratic: bool,
    threshold: float,
    to_beat: float,
    n_threads: int,
    kept: NDArray[np.uint8],
) -> None: ...
