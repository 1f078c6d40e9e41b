"""NoSplit: one split, all rows on both sides."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import check_cv, cross_val_score
from sklearn.neighbors import KernelDensity

from sklearn_extra_ml.model_selection import NoSplit


@pytest.mark.parametrize(
    "X",
    [np.zeros((5, 2)), [[0], [0], [0], [0], [0]], pd.DataFrame({"a": range(5)}), sparse.eye(5)],
    ids=lambda X: type(X).__name__,
)
def test_split_gives_all_rows_twice(X):
    splits = list(NoSplit().split(X))
    assert len(splits) == NoSplit().get_n_splits(X) == 1
    for indices in splits[0]:
        np.testing.assert_array_equal(indices, np.arange(5))


def test_no_split_serves_as_cv(rng):
    X = rng.normal(size=(30, 2))
    assert isinstance(check_cv(NoSplit()), NoSplit)
    scores = cross_val_score(KernelDensity(), X, cv=NoSplit())
    np.testing.assert_allclose(scores, [KernelDensity().fit(X).score(X)])
