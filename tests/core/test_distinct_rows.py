"""Distinct rows in content order: what row order, weights and sparsity must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from sklearn_extra_ml._core._distinct_rows import distinct_rows
from sklearn_extra_ml._native._distinct_rows import mark_starts

FEW_VALUES = arrays(
    np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.integers(-2, 2)
)


@settings(deadline=None)
@given(X=FEW_VALUES, seed=st.integers(0, 2**63))
def test_rows_and_weights_equal_numpy_unique(X, seed):
    found = distinct_rows(X, seed=seed)
    expected, counts = np.unique(X, axis=0, return_counts=True)
    rows = X[found.index]
    order = np.lexsort(rows.T[::-1])
    np.testing.assert_array_equal(rows[order], expected)
    weight = np.ones(len(rows)) if found.weight is None else found.weight
    np.testing.assert_array_equal(weight[order], counts)


@settings(deadline=None)
@given(X=FEW_VALUES, seed=st.integers(0, 2**63))
def test_permuted_rows_give_the_same_rows_in_the_same_order(X, seed):
    shuffled = X[np.random.default_rng(seed % 1000).permutation(len(X))]
    a, b = distinct_rows(X, seed=seed), distinct_rows(shuffled, seed=seed)
    np.testing.assert_array_equal(X[a.index], shuffled[b.index])


def test_weights_equal_repetitions(rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    w = rng.integers(0, 4, size=50)
    weighted = distinct_rows(X, y, sample_weight=w.astype(float), seed=5)
    X_repeated, y_repeated = X.repeat(w, axis=0), y.repeat(w)
    repeated = distinct_rows(X_repeated, y_repeated, seed=5)
    np.testing.assert_array_equal(X[weighted.index], X_repeated[repeated.index])
    np.testing.assert_array_equal(weighted.weight, repeated.weight)


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array])
def test_sparse_and_dense_rows_have_the_same_order(container, rng):
    X = rng.integers(-1, 2, size=(60, 4)).astype(float)
    dense, found = distinct_rows(X, seed=1), distinct_rows(container(X), seed=1)
    np.testing.assert_array_equal(X[dense.index], X[found.index])
    np.testing.assert_array_equal(dense.weight, found.weight)


def test_float32_and_float64_of_equal_values_have_the_same_order(rng):
    X = rng.normal(size=(40, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        distinct_rows(X, seed=2).index, distinct_rows(X.astype(np.float64), seed=2).index
    )


def test_zeros_of_both_signs_are_equal_and_nan_equals_nan():
    X = np.array([[0.0, np.nan], [-0.0, np.nan], [1.0, 0.0]])
    assert len(distinct_rows(X).index) == 2


def test_target_is_part_of_the_row():
    X, y = np.ones((4, 1)), np.array([1.0, 2.0, 1.0, 3.0])
    assert len(distinct_rows(X).index) == 1
    assert len(distinct_rows(X, y).index) == 3


def test_rows_of_weight_zero_are_left_out_and_spread_fills_them(rng):
    X, w = rng.normal(size=(5, 2)), np.array([1.0, 0, 2, 0, 1])
    found = distinct_rows(X, sample_weight=w, seed=0)
    assert set(found.index) == {0, 2, 4}
    np.testing.assert_array_equal(found.spread(X[found.index][:, 0], 5, -1.0)[w > 0], X[w > 0, 0])
    assert (found.spread(np.ones(3), 5, -1.0)[w == 0] == -1).all()


def test_result_does_not_depend_on_threads(rng):
    X = rng.normal(size=(5000, 3)).round(1)
    a, b = (distinct_rows(X, seed=9, n_threads=n) for n in (1, 3))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_colliding_hashes_do_not_merge_different_rows():
    X = np.array([[2.0], [1.0], [2.0], [3.0], [1.0]])
    order, starts = np.arange(5), np.zeros(5, np.uint8)
    mark_starts(X, np.empty((5, 0)), np.zeros(5, np.uint64), order, starts)
    np.testing.assert_array_equal(X[order, 0], [1, 1, 2, 2, 3])
    np.testing.assert_array_equal(starts, [1, 0, 1, 0, 1])
