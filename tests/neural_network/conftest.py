"""Small data that the tests of the deep estimators share."""

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

collect_ignore = [] if torch.cuda.is_available() else ["test_gpu.py"]


@pytest.fixture(scope="session")
def digits():
    """Train and test rows of digits / 16 (70/30, stratified, seed 0), and their labels."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.3, random_state=0, stratify=y)


@pytest.fixture
def one_thread():
    """For small convolutions, where more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def blob(rng):
    """200 rows of 6 correlated features, far from the origin."""
    signal = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 6))
    return 10 + signal + 0.1 * rng.normal(size=(200, 6))
