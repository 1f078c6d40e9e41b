import numpy as np
from numpy.typing import NDArray

BLOCK: int
BINS: int

def draw_samples(
    seed: int,
    first_trial: int,
    cumulative: NDArray[np.float64],
    n_rows: int,
    samples: NDArray[np.intp],
) -> None: ...
def pack_rows(
    X: NDArray,
    y: NDArray,
    order: NDArray[np.intp],
    x_centre: NDArray[np.float64],
    y_centre: NDArray[np.float64],
    n_threads: int,
    blocks: NDArray,
) -> None: ...
def solve_samples(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    samples: NDArray[np.intp],
    intercept: bool,
    alpha: float,
    n_threads: int,
    models: NDArray[np.float64],
    ratios: NDArray[np.float64],
) -> None: ...
def score_models(
    blocks: NDArray,
    weights: NDArray[np.float64],
    mass_before: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    squared: bool,
    models: NDArray[np.float64],
    kind: int,
    threshold: float,
    curve: NDArray[np.float32],
    to_beat: float,
    among: bool,
    n_threads: int,
    gains: NDArray[np.float64],
    rows_seen: NDArray[np.intp],
) -> None: ...
def model_losses(
    blocks: NDArray,
    n_targets: int,
    squared: bool,
    model: NDArray[np.float64],
    n_threads: int,
    losses: NDArray,
) -> None: ...
def fit_within(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_targets: int,
    squared: bool,
    intercept: bool,
    alpha: float,
    threshold: float,
    n_threads: int,
    model: NDArray[np.float64],
) -> tuple[float, float]: ...
def tighten_models(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_blocks: int,
    n_targets: int,
    squared: bool,
    intercept: bool,
    alpha: float,
    masks: NDArray[np.uint8],
    thresholds: NDArray[np.float64],
    shrink: float,
    tightest: float,
    n_steps: int,
    lowest: float,
    drops: NDArray[np.float64],
    exact: float,
    n_threads: int,
    models: NDArray[np.float64],
    entropies: NDArray[np.float64],
) -> None: ...
def model_entropies(
    blocks: NDArray,
    weights: NDArray[np.float64],
    n_rows: int,
    n_blocks: int,
    n_targets: int,
    squared: bool,
    models: NDArray[np.float64],
    lowest: float,
    drops: NDArray[np.float64],
    n_threads: int,
    entropies: NDArray[np.float64],
    cores: NDArray[np.float64],
) -> None: ...
def loss_entropy(
    losses: NDArray[np.float64], weights: NDArray[np.float64], lowest: float, drop: float
) -> tuple[float, float]: ...
def noise_mixture(
    losses: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: float,
    twice: bool,
    dof: float,
    lowest: float,
    exact: float = -1,
) -> tuple[float, float, float]: ...
def inlier_cut(scale: float, mass: float, density: float) -> float: ...
