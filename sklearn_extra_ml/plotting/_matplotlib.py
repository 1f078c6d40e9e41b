"""matplotlib on demand."""


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
