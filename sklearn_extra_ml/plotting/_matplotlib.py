"""matplotlib on demand, and the estimator to draw."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def import_pyplot():
    """Return `matplotlib.pyplot`; an `ImportError` that names the extra where it is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays need matplotlib, which is not installed. Install it with "
            '`pip install "sklearn-extra-ml[plot]"`.'
        ) from error
    return plt


def axes_and_figure(ax):
    """Return `ax` and its figure, new ones for None."""
    if ax is None:
        _, ax = import_pyplot().subplots(layout="constrained")
    return ax, ax.figure


def fitted_estimator(estimator, X=None):
    """Return a fitted estimator, the last one of a Pipeline, and `X` as it reaches that one."""
    check_is_fitted(estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, X
    if X is not None and len(estimator) > 1:
        X = estimator[:-1].transform(X)
    return estimator[-1], X
