from numpy import ndarray

def distances_full(
    X: ndarray,
    means: ndarray,
    matrices: ndarray,
    triangular: bool,
    scale: ndarray,
    shift: ndarray,
    out: ndarray,
    n_threads: int,
) -> None: ...
def distances_tied(
    X: ndarray,
    center: ndarray,
    matrix: ndarray,
    triangular: bool,
    means: ndarray,
    scale: ndarray,
    shift: ndarray,
    out: ndarray,
    n_threads: int,
) -> None: ...
def distances_diag(
    X: ndarray,
    means: ndarray,
    precisions: ndarray,
    scale: ndarray,
    shift: ndarray,
    out: ndarray,
    n_threads: int,
) -> None: ...
def affine_map(
    X: ndarray,
    center: ndarray,
    matrix: ndarray,
    shift: ndarray,
    out: ndarray,
    n_threads: int,
) -> None: ...
