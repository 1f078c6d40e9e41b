"""Figures without a screen, closed after each test."""

import matplotlib
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture
def plt():
    """`matplotlib.pyplot`."""
    return matplotlib.pyplot
