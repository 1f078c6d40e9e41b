"""Seeding: the draws of a full cumulative sum, whatever the order of the rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from reference.k_means import greedy_seeds
from sklearn_extra_ml._core._rows import DenseRows, SparseRows, coarse_offset, moments
from sklearn_extra_ml._core._seeding import draw_distinct_rows, greedy_kmeans_plusplus
from sklearn_extra_ml._native._seeding import ContentOrder
from sklearn_extra_ml.cluster import kmeans_plusplus

SHAPES = pytest.mark.parametrize("n, d", [(700, 2), (700, 23), (700, 40), (30, 1)])


def rng_of(seed):
    return np.random.RandomState(seed)


def all_rows(X):
    """The same rows in each of the forms that have kernels of their own."""
    mean, variance, _ = moments(X, None, 1)
    centered = DenseRows.of(X, coarse_offset(mean, variance, X.dtype))
    return DenseRows.of(X), centered.with_blocks(1), SparseRows.of(sp.csr_array(X))


@SHAPES
@pytest.mark.parametrize("weighted", [False, True])
def test_greedy_seeds_equal_a_cumulative_sum_in_content_order(n, d, weighted, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 5
    weight = rng.uniform(size=n) * (rng.uniform(size=n) < 0.8) if weighted else None
    hashes = DenseRows.of(X).hashes(1)
    uniform = rng_of(seed).uniform(size=(9, 2 + int(np.log(9))))
    expected = greedy_seeds(X, 9, uniform, hashes, weight)
    for rows in all_rows(X):
        found = greedy_kmeans_plusplus(rows, 9, sample_weight=weight, rng=rng_of(seed))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("draw", [greedy_kmeans_plusplus, draw_distinct_rows])
@SHAPES
def test_seeds_are_equal_for_permuted_repeated_and_weighted_rows(n, d, draw, dtype, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    X[0] = -0.0
    times = rng.integers(0, 4, n)
    times[0] = 2
    repeated = np.repeat(X, times, axis=0)
    repeated[np.flatnonzero((repeated == 0).all(axis=1))[0]] = 0.0  # -0.0 is the same content
    permuted = repeated[rng.permutation(len(repeated))]
    expected = X[draw(DenseRows.of(X), 8, sample_weight=times.astype(dtype), rng=rng_of(seed))]
    for data in (repeated, permuted):
        for rows in all_rows(data):
            np.testing.assert_array_equal(data[draw(rows, 8, rng=rng_of(seed))], expected)


def test_seeds_use_any_number_of_threads_alike(seed, dtype):
    X = np.random.default_rng(seed).normal(size=(20000, 30)).astype(dtype)
    for data in (X, np.ascontiguousarray(X[:, :3])):
        found = [
            greedy_kmeans_plusplus(DenseRows.of(data), 20, rng=rng_of(seed), n_threads=t).tolist()
            for t in (1, 2, 8)
        ]
        assert found[0] == found[1] == found[2]


def test_more_trials_than_one_pass_holds_give_the_best_of_all(seed):
    X = np.random.default_rng(seed).normal(size=(300, 40))
    uniform = rng_of(seed).uniform(size=(5, 70))
    expected = greedy_seeds(X, 5, uniform, DenseRows.of(X).hashes(1))
    found = greedy_kmeans_plusplus(DenseRows.of(X), 5, rng=rng_of(seed), n_local_trials=70)
    np.testing.assert_array_equal(found, expected)


def test_rows_of_equal_hash_are_ordered_by_content(seed):
    X = np.random.default_rng(seed).normal(size=(50, 3))
    X[40:] = X[:10]

    def order_of(data):
        return ContentOrder(
            np.zeros(50, np.uint64),
            DenseRows.of(data).compare,
            np.empty(50, np.uint16),
            np.empty(3, np.intp),
            np.empty(50, np.intp),
            np.empty(2, np.uint8),
            np.empty(2),
            np.empty((16, 2)),
        )

    drawn = []
    for data in (X, X[::-1].copy()):
        order, value, rows = order_of(data), np.ones(50), np.empty(20, np.intp)
        total = order.weigh(value, np.empty(0), 1)
        assert total == 50
        order.draw(value, np.empty(0), np.linspace(0, 50, 20, endpoint=False), rows)
        drawn.append(data[rows])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(
        drawn[0], X[np.lexsort(X.T[::-1])][(np.arange(20) * 2.5).astype(int)]
    )


def test_distinct_rows_are_distinct_and_drawn_by_weight():
    X = np.repeat(np.arange(4.0)[:, None], [1, 2, 3, 4], axis=0)
    first = np.zeros(4)
    for seed in range(2000):
        drawn = X[draw_distinct_rows(DenseRows.of(X), 4, rng=rng_of(seed)), 0]
        assert sorted(drawn) == [0, 1, 2, 3]
        first[int(drawn[0])] += 1
    np.testing.assert_allclose(first / 2000, [0.1, 0.2, 0.3, 0.4], atol=0.04)


def test_fewer_distinct_rows_than_seeds_repeats_the_first():
    X = np.repeat(np.eye(3), 5, axis=0)
    for draw in (greedy_kmeans_plusplus, draw_distinct_rows):
        seeds = draw(DenseRows.of(X), 5, rng=rng_of(0))
        assert len(np.unique(X[seeds], axis=0)) == 3
        assert seeds[3] == seeds[4] == seeds[0]


def test_kmeans_plusplus_returns_rows_and_the_first_of_equal_ones(seed):
    X = np.repeat(np.random.default_rng(seed).normal(size=(40, 3)), 3, axis=0)
    for data in (X, sp.csr_array(X), sp.coo_matrix(X)):
        centers, indices = kmeans_plusplus(data, 6, random_state=seed)
        np.testing.assert_array_equal(centers, X[indices])
        assert np.all(indices % 3 == 0)


def test_kmeans_plusplus_with_one_trial_is_plain_and_worse_on_average():
    X = np.random.default_rng(0).normal(size=(500, 2))

    def potential(**settings):
        centers, _ = kmeans_plusplus(X, 20, **settings)
        return ((X[:, None] - centers[None]) ** 2).sum(axis=2).min(axis=1).sum()

    plain = np.mean([potential(random_state=s, n_local_trials=1) for s in range(30)])
    greedy = np.mean([potential(random_state=s) for s in range(30)])
    assert greedy < plain


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_clusters": 4}, "n_samples=3 should be >= n_clusters=4"),
        ({"n_clusters": 2, "x_squared_norms": [1.0]}, "length of x_squared_norms 1"),
        ({"n_clusters": 2, "sample_weight": [0, 0, 0]}, "zero"),
        ({"n_clusters": 0}, "n_clusters"),
    ],
)
def test_kmeans_plusplus_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        kmeans_plusplus(np.eye(3), **arguments)


def test_moments_equal_numpy_far_from_the_origin(dtype, seed):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(9001, 3)) * [1, 10, 100] + [0, 1e5, -1e4]).astype(dtype)
    weight = rng.uniform(size=9001).astype(dtype)
    wide = X.astype(float)
    for w in (None, weight):
        mean, variance, total = moments(X, w, 2)
        expected = np.average(wide, axis=0, weights=w)
        np.testing.assert_allclose(mean, expected, rtol=1e-12)
        spread = np.average((wide - expected) ** 2, axis=0, weights=w)
        np.testing.assert_allclose(variance, spread, rtol=1e-10)
        assert np.isclose(total, 9001 if w is None else w.astype(float).sum(), rtol=1e-12)


def test_offset_has_few_bits_and_lies_near_the_mean(seed):
    X = np.random.default_rng(seed).normal(size=(500, 4)) * [1, 2, 3, 0] + [0, 1e6, -77, 3.25]
    mean, variance, _ = moments(X, None, 1)
    offset = coarse_offset(mean, variance, X.dtype)
    assert np.all(np.abs(offset - mean) <= np.sqrt(variance) / 8)
    assert offset[3] == 3.25
    single = X.astype(np.float32)
    exact = single.astype(float) - offset
    assert np.array_equal((single - offset.astype(np.float32))[:, 1], exact[:, 1])
