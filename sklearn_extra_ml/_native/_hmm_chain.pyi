import numpy as np
from numpy.typing import NDArray

class Chain: ...
class Wave: ...

def schedule(
    lengths: NDArray[np.intp],
    order: NDArray[np.intp],
    n_states: int,
    groups: NDArray[np.intp],
    singles: NDArray[np.intp],
) -> tuple[int, int]: ...
def scratch_size(n_states: int, longest_in_lanes: int) -> int: ...
def stored_size(
    lengths: NDArray[np.intp], singles: NDArray[np.intp], n_states: int
) -> int: ...
def tasks_at_once() -> int: ...
def draw_states(
    start: NDArray[np.float64],
    transmat: NDArray[np.float64],
    uniform: NDArray[np.float64],
    states: NDArray[np.int32],
) -> None: ...
