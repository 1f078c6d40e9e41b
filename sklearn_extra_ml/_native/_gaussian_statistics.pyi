from numpy import ndarray

def accumulate(
    X: ndarray,
    codes: ndarray,
    shares: ndarray,
    sample_weight: ndarray,
    pooled: bool,
    chunk: int,
    slice_rows: int,
    weights: ndarray,
    means: ndarray,
    scatter: ndarray,
    full: bool,
    n_threads: int,
) -> None: ...
def merge(
    weights: ndarray,
    means: ndarray,
    scatter: ndarray,
    other_weights: ndarray,
    other_means: ndarray,
    other_scatter: ndarray,
    full: bool,
) -> None: ...
def mirror(scatter: ndarray, d: int) -> None: ...
