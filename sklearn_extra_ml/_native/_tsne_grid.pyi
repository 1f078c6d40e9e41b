from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

ORDER: int
SLACK: int

class Geometry(TypedDict):
    low: tuple[float, float]
    spacing: float
    shape: tuple[int, int]
    stride: int
    force_scale: float
    self_terms: tuple[float, float, float]

def spread(
    geometry: Geometry,
    y: NDArray[np.float32],
    n: int,
    n_threads: int,
    order: NDArray[np.int32],
    charge: NDArray[np.float32],
) -> None: ...
def gather(
    geometry: Geometry,
    y: NDArray[np.float32],
    n: int,
    order: NDArray[np.int32],
    potential: NDArray[np.float32],
    own: bool,
    n_threads: int,
    force: NDArray[np.float32],
    value: NDArray[np.float32],
) -> float: ...
def multiply(values: NDArray[np.float32], factor: NDArray[np.float32], n_threads: int) -> None: ...
