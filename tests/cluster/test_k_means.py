"""KMeans: scikit-learn's result from the same centres, and what it promises beyond that."""

import numpy as np
import pytest
import scipy.sparse as sp
from callbacks import Recorder, Watcher
from scipy.stats import mannwhitneyu
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.datasets import load_digits, load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from reference.k_means import lloyd, sq_distances
from sklearn_extra_ml._core import _rows, _seeding
from sklearn_extra_ml.cluster import KMeans, _k_means, _k_means_steps

ALGORITHMS = pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
CONTAINERS = pytest.mark.parametrize("container", [np.asarray, sp.csr_array], ids=["dense", "csr"])


def problem(seed, dtype=np.float64, max_rows=1500):
    """A random problem: blobs of random size, overlap and offset, and initial centres."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(60, max_rows)), int(rng.integers(1, 40))
    k = int(rng.integers(2, min(n // 2, 40)))
    means = rng.normal(scale=rng.uniform(0, 6), size=(max(2, k // 2), d))
    X = means[rng.integers(len(means), size=n)] + rng.normal(size=(n, d)) + rng.uniform(-5, 5, d)
    X = X.astype(dtype)
    return X, k, X[rng.permutation(n)[:k]].copy(), rng


def state(estimator):
    """The bits of all that a fit learns."""
    return (
        estimator.labels_.tobytes(),
        estimator.cluster_centers_.tobytes(),
        estimator.inertia_,
        estimator.n_iter_,
    )


# ------------------------------------------------------------- the same result as scikit-learn


@ALGORITHMS
@pytest.mark.parametrize("seed", range(50))
def test_fit_from_the_same_centers_equals_sklearn(seed, algorithm):
    X, k, centers, _ = problem(seed)
    ours = KMeans(k, init=centers, algorithm=algorithm).fit(X)
    theirs = SklearnKMeans(k, init=centers).fit(X)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-6)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-8)
    assert ours.n_iter_ == theirs.n_iter_


@ALGORITHMS
@pytest.mark.parametrize("seed", range(10))
def test_fit_on_csr_from_the_same_centers_equals_sklearn(seed, algorithm):
    X, k, centers, rng = problem(seed)
    X[rng.uniform(size=X.shape) < 0.6] = 0
    X = sp.csr_matrix(X)
    ours = KMeans(k, init=centers, algorithm=algorithm).fit(X)
    theirs = SklearnKMeans(k, init=centers).fit(X)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-6)
    assert ours.n_iter_ == theirs.n_iter_


def test_inertia_of_50_seeds_is_not_told_apart_from_sklearn():
    X, _ = load_digits(return_X_y=True)
    settings = dict(n_clusters=12, n_init=1, max_iter=30)
    ours = [KMeans(random_state=s, **settings).fit(X).inertia_ for s in range(50)]
    theirs = [SklearnKMeans(random_state=s, **settings).fit(X).inertia_ for s in range(50)]
    assert len(set(ours)) > 25
    assert mannwhitneyu(ours, theirs).pvalue > 0.05


def test_inertia_of_plain_random_starts_is_not_told_apart_from_sklearn():
    X, _ = load_iris(return_X_y=True)
    settings = dict(n_clusters=8, init="random", n_init=1)
    ours = [KMeans(random_state=s, **settings).fit(X).inertia_ for s in range(100)]
    theirs = [SklearnKMeans(random_state=s, **settings).fit(X).inertia_ for s in range(100)]
    assert mannwhitneyu(ours, theirs).pvalue > 0.05


# ---------------------------------------------------------------------- the slow reference


@ALGORITHMS
@CONTAINERS
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_fit_equals_the_plain_iteration(seed, weighted, container, algorithm, dtype):
    X, k, centers, rng = problem(seed, dtype, max_rows=600)
    weight = rng.integers(0, 4, len(X)) if weighted else None
    # Equal centres make an empty cluster at once.
    centers[-1] = centers[0]
    fitted = KMeans(k, init=centers, algorithm=algorithm, tol=0).fit(
        container(X), sample_weight=weight
    )
    labels, expected, inertia, n_iter = lloyd(X, centers, sample_weight=weight)
    np.testing.assert_array_equal(fitted.labels_, labels)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(fitted.inertia_, inertia, rtol=rtol)
    np.testing.assert_allclose(fitted.cluster_centers_, expected, rtol=rtol, atol=rtol * 30)
    assert fitted.n_iter_ == n_iter


@pytest.mark.parametrize("seed", range(6))
def test_elkan_has_the_bits_of_lloyd(seed, dtype):
    X, k, centers, rng = problem(seed, dtype)
    weight = rng.uniform(size=len(X))
    for data in (X, sp.csr_array(X)):
        fits = [
            KMeans(k, init=centers, algorithm=a, tol=0).fit(data, sample_weight=weight)
            for a in ("lloyd", "elkan")
        ]
        assert state(fits[0]) == state(fits[1])


def test_rows_between_centers_go_to_the_lowest(dtype):
    # Exact ties by the thousand: a grid, its centres on the grid. Distances far apart in size
    # would hide a wrong arg-min.
    axis = np.arange(-20, 21)
    X = np.stack(np.meshgrid(axis, axis, [0.0, 3.0]), axis=-1).reshape(-1, 3).astype(dtype)
    centers = X[:: len(X) // 50]
    fitted = KMeans(len(centers), init=centers, max_iter=1).fit(X)
    fitted.cluster_centers_ = centers
    np.testing.assert_array_equal(fitted.predict(X), sq_distances(X, centers).argmin(axis=1))
    sparse = KMeans(len(centers), init=centers, max_iter=1).fit(sp.csr_array(X))
    sparse.cluster_centers_ = centers
    np.testing.assert_array_equal(
        sparse.predict(sp.csr_array(X)), sq_distances(X, centers).argmin(axis=1)
    )


# -------------------------------------------------------------------- one result, bit by bit


@ALGORITHMS
@pytest.mark.parametrize("n, d, k", [(9000, 2, 30), (9000, 40, 12), (3000, 130, 5)])
def test_bits_are_equal_for_any_number_of_threads(n, d, k, algorithm, dtype, monkeypatch):
    X, _ = make_blobs(n, d, centers=2 * k, random_state=0)
    X = (X + 100).astype(dtype)
    weight = np.random.default_rng(0).uniform(size=n)
    states = set()
    for n_threads in (1, 2, 8):
        monkeypatch.setattr(_k_means, "n_threads_for", lambda *_, n=n_threads: n)
        fitted = KMeans(k, random_state=0, algorithm=algorithm).fit(X, sample_weight=weight)
        distances = fitted.transform(X).tobytes()
        states.add((*state(fitted), distances, fitted.score(X), fitted.predict(X).tobytes()))
    assert len(states) == 1


@pytest.mark.parametrize("n, d, k", [(3000, 2, 30), (3000, 20, 13), (1000, 130, 9), (900, 7, 1)])
def test_bits_are_equal_for_every_instruction_set(n, d, k, dtype, monkeypatch):
    X, _ = make_blobs(n, d, centers=k, cluster_std=3, random_state=0)
    X = (X + 100).astype(dtype)
    states = set()
    for level in range(_rows.SIMD_LEVEL + 1):
        for module in (_rows, _seeding, _k_means_steps):
            monkeypatch.setattr(module, "SIMD_LEVEL", level)
        fitted = KMeans(k, random_state=0).fit(X)
        states.add((*state(fitted), fitted.transform(X).tobytes()))
    assert len(states) == 1


@pytest.mark.parametrize("d", [2, 8, 30])
def test_bits_are_equal_with_and_without_a_copy(d, dtype):
    X, _ = make_blobs(2100, d, centers=9, random_state=1)
    X = X.astype(dtype) + dtype(50)
    before = X.tobytes()
    with_copy = KMeans(9, random_state=0, copy_x=True).fit(X)
    without = KMeans(9, random_state=0, copy_x=False).fit(X)
    assert state(with_copy) == state(without)
    assert X.tobytes() == before


@CONTAINERS
def test_predict_of_any_piece_equals_labels(container, dtype):
    X, _ = make_blobs(700, 33, centers=40, cluster_std=8, random_state=2)
    X = container(X.astype(dtype))
    fitted = KMeans(40, random_state=0).fit(X)
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    for size in (1, 7, 64, 65, 333):
        pieces = [fitted.predict(X[i : i + size]) for i in range(0, 700, size)]
        np.testing.assert_array_equal(np.concatenate(pieces), fitted.labels_)


def test_predict_far_from_the_origin_in_single_precision_equals_labels():
    # scikit-learn centres the data in fit alone and gets half of these wrong.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    X[500:] += 8
    X = (X + 1e6).astype(np.float32)
    fitted = KMeans(2, random_state=0).fit(X)
    assert sorted(np.bincount(fitted.labels_)) == [500, 500]
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    assert fitted.score(X) == -fitted.inertia_
    np.testing.assert_array_equal(fitted.transform(X).argmin(axis=1), fitted.labels_)
    np.testing.assert_allclose(fitted.inertia_, 2 * 1000, rtol=0.15)


def test_predict_on_the_other_dtype_is_that_of_the_same_values(dtype):
    X, _ = make_blobs(300, 5, centers=6, random_state=0)
    fitted = KMeans(6, random_state=0).fit(X.astype(dtype))
    single = X.astype(np.float32)
    np.testing.assert_array_equal(fitted.predict(single), fitted.predict(single.astype(float)))
    assert fitted.transform(single).dtype == np.float32


# ----------------------------------------------------------------------- weights and order


@pytest.mark.parametrize("init", ["k-means++", "random"])
@CONTAINERS
@pytest.mark.parametrize("seed", range(5))
def test_weights_equal_repeated_rows_in_any_order(seed, container, init):
    X, k, _, rng = problem(seed, max_rows=400)
    weight = rng.integers(0, 4, len(X))
    repeated = np.repeat(X, weight, axis=0)
    permuted = rng.permutation(len(repeated))
    k = min(k, 10)
    settings = dict(init=init, n_init=2, random_state=seed)
    weighted = KMeans(k, **settings).fit(container(X), sample_weight=weight)
    for data in (repeated, repeated[permuted]):
        other = KMeans(k, **settings).fit(container(data))
        np.testing.assert_allclose(other.cluster_centers_, weighted.cluster_centers_, rtol=1e-10)
        np.testing.assert_allclose(other.inertia_, weighted.inertia_, rtol=1e-10)
        assert other.n_iter_ == weighted.n_iter_
        np.testing.assert_array_equal(other.predict(X), weighted.predict(X))


def test_tolerance_follows_the_weighted_variance():
    # The far rows weigh nothing. By the plain variance the tolerance would end the run at once.
    X, _ = make_blobs(500, 2, centers=10, random_state=0)
    far = np.vstack([X, [[1e6, 1e6], [-1e6, 1e6]]])
    weight = np.r_[np.ones(500), 0, 0]
    plain = KMeans(10, init=X[:10]).fit(X)
    weighted = KMeans(10, init=X[:10]).fit(far, sample_weight=weight)
    assert weighted.n_iter_ == plain.n_iter_ > 3
    np.testing.assert_allclose(weighted.cluster_centers_, plain.cluster_centers_, rtol=1e-9)


def test_inertia_and_score_are_weighted_sums():
    X, k, _, rng = problem(3)
    weight = rng.uniform(size=len(X))
    fitted = KMeans(k, random_state=0).fit(X, sample_weight=weight)
    expected = weight @ sq_distances(X, fitted.cluster_centers_).min(axis=1)
    np.testing.assert_allclose(fitted.inertia_, expected, rtol=1e-10)
    np.testing.assert_allclose(-fitted.score(X, sample_weight=weight), expected, rtol=1e-10)


def test_transform_gives_distances_and_zero_at_a_center(dtype):
    X, k, _, _ = problem(5, dtype)
    fitted = KMeans(k, random_state=0).fit(X)
    expected = np.sqrt(sq_distances(X.astype(float), fitted.cluster_centers_.astype(float)))
    for data in (X, sp.csr_array(X)):
        found = fitted.transform(data)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-9)
    single = KMeans(3, init=X[:3], max_iter=1).fit(X[:3])
    assert np.all(np.diag(single.transform(X[:3])) == 0)


# ------------------------------------------------------------------------------ starting


def test_callable_init_sees_the_data_unchanged_and_protected():
    X, _ = make_blobs(200, 3, centers=4, random_state=0)
    X += 100
    seen = []

    def init(data, n_clusters, random_state):
        seen.append((data.copy(), data.flags.writeable, isinstance(random_state, object)))
        return data[random_state.permutation(len(data))[:n_clusters]]

    fitted = KMeans(4, init=init, n_init=3, random_state=0).fit(X)
    assert len(seen) == 3
    assert all(np.array_equal(data, X) and not writeable for data, writeable, _ in seen)
    given = KMeans(4, init=lambda X, k, random_state: X[:k], n_init=1).fit(X)
    assert state(given) == state(KMeans(4, init=X[:4]).fit(X))
    assert fitted.inertia_ <= given.inertia_


def test_n_init_keeps_the_run_of_lowest_inertia():
    X, _ = make_blobs(600, 2, centers=25, cluster_std=0.4, random_state=0)
    single = [KMeans(25, init="random", n_init=1, random_state=s).fit(X) for s in range(3)]
    several = KMeans(25, init="random", n_init=30, random_state=0).fit(X)
    assert several.inertia_ < max(s.inertia_ for s in single)
    auto = KMeans(25, init="random", random_state=0).fit(X)
    assert state(auto) == state(KMeans(25, init="random", n_init=10, random_state=0).fit(X))


def test_initial_centers_are_not_written_to():
    X, k, centers, _ = problem(7)
    before = centers.copy()
    KMeans(k, init=centers).fit(X)
    np.testing.assert_array_equal(centers, before)


def test_array_init_with_several_runs_warns():
    X = np.arange(12.0).reshape(6, 2)
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        KMeans(2, init=X[:2], n_init=3).fit(X)


def test_elkan_with_one_cluster_warns_and_runs_lloyd():
    X = np.arange(12.0).reshape(6, 2)
    with pytest.warns(RuntimeWarning, match="doesn't make sense for a single cluster"):
        fitted = KMeans(1, algorithm="elkan").fit(X)
    np.testing.assert_allclose(fitted.cluster_centers_, X.mean(axis=0, keepdims=True))


# --------------------------------------------------------------------------- partial_fit


@CONTAINERS
def test_partial_fit_keeps_exact_running_means(container, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(600, 4)) + 5 * rng.integers(3, size=(600, 1)) + 10).astype(dtype)
    weight = rng.uniform(0.5, 2, 600)
    online = KMeans(3, init=X[[0, 200, 400]])
    centers, mass = X[[0, 200, 400]].astype(float), np.zeros(3)
    for start in range(0, 600, 100):
        batch, w = X[start : start + 100], weight[start : start + 100]
        online.partial_fit(container(batch), sample_weight=w)
        labels = sq_distances(batch.astype(float), centers).argmin(axis=1)
        for j in range(3):
            mine = labels == j
            total = mass[j] + w[mine].sum()
            centers[j] = (centers[j] * mass[j] + w[mine] @ batch[mine]) / max(total, 1e-300)
            mass[j] = total
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(online.cluster_centers_, centers, rtol=rtol)
    assert online.n_iter_ == 6
    assert online.labels_.shape == (100,)
    np.testing.assert_array_equal(online.predict(container(batch)), online.labels_)


def test_partial_fit_goes_on_from_fit():
    X, _ = make_blobs(500, 3, centers=4, random_state=0)
    more, _ = make_blobs(100, 3, centers=4, random_state=0)
    fitted = KMeans(4, random_state=0, tol=0).fit(X)
    before, n_iter = fitted.cluster_centers_.copy(), fitted.n_iter_
    mass = np.bincount(fitted.labels_)
    labels = fitted.predict(more)
    fitted.partial_fit(sp.csr_array(more))
    for j in range(4):
        mine = more[labels == j]
        expected = (before[j] * mass[j] + mine.sum(axis=0)) / (mass[j] + len(mine))
        np.testing.assert_allclose(fitted.cluster_centers_[j], expected, rtol=1e-10)
    assert fitted.n_iter_ == n_iter + 1


def test_partial_fit_first_batch_smaller_than_n_clusters_raises():
    with pytest.raises(ValueError, match=r"n_samples=3 should be >= n_clusters=4"):
        KMeans(4).partial_fit(np.eye(3))


# ----------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "X, message",
    [
        (np.empty((0, 2)), "0 sample"),
        (np.array([[1.0, np.nan], [0, 1], [1, 1]]), "NaN"),
        (np.array([[1.0, np.inf], [0, 1], [1, 1]]), "infinity"),
        (np.array([["a", "b"], ["c", "d"], ["e", "f"]]), "could not convert"),
        (np.ones(5), "1D array"),
        (np.eye(2), "Allowed: 1 to 2. Lower `n_clusters` or pass more rows"),
    ],
)
def test_bad_data_raise_and_leave_the_estimator_unfitted(X, message, method):
    estimator = KMeans(3)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(X)
    with pytest.raises(NotFittedError):
        estimator.predict(np.eye(2))


@pytest.mark.parametrize(
    "weight, message",
    [
        (-np.ones(6), "Negative"),
        (np.zeros(6), "zero"),
        (np.ones(5), "shape"),
        (np.full(6, np.nan), "NaN"),
    ],
)
def test_bad_weights_raise(weight, message):
    with pytest.raises(ValueError, match=message):
        KMeans(2).fit(np.arange(12.0).reshape(6, 2), sample_weight=weight)


def test_initial_centers_of_another_shape_raise():
    X = np.arange(12.0).reshape(6, 2)
    with pytest.raises(ValueError, match="does not match the number of clusters 3"):
        KMeans(3, init=X[:2]).fit(X)
    with pytest.raises(ValueError, match="number of features of the data 2"):
        KMeans(2, init=np.eye(3)[:2]).fit(X)


@ALGORITHMS
@pytest.mark.parametrize("init", ["k-means++", "random"])
@CONTAINERS
def test_more_clusters_than_distinct_rows_warns(container, init, algorithm):
    X = container(np.repeat([[0.0, 1.0], [2.0, 0.0], [5.0, 5.0]], 20, axis=0))
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\) found smaller"):
        fitted = KMeans(5, init=init, random_state=0, algorithm=algorithm).fit(X)
    assert fitted.inertia_ == 0
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    assert len(set(fitted.labels_)) == 3


def test_zero_columns_of_csr_and_empty_rows_are_rows_like_others():
    X = sp.csr_array(([1.0, 2.0], ([1, 4], [0, 0])), shape=(6, 3))
    fitted = KMeans(2, random_state=0).fit(X)
    dense = KMeans(2, random_state=0).fit(X.toarray())
    np.testing.assert_allclose(fitted.cluster_centers_, dense.cluster_centers_)
    empty = KMeans(1).fit(sp.csr_array((4, 3)))
    assert empty.inertia_ == 0


def test_csr_with_repeated_entries_equals_its_sum():
    once = sp.csr_array(np.array([[3.0, 0], [0, 1], [5, 5]]))
    twice = sp.csr_array(([1.0, 2, 1, 5, 5], [0, 0, 1, 0, 1], [0, 2, 3, 5]), shape=(3, 2))
    assert state(KMeans(2, random_state=0).fit(twice)) == state(KMeans(2, random_state=0).fit(once))
    assert twice.nnz == 5


def test_centers_set_by_the_user_are_used():
    X, k, _, _ = problem(9)
    fitted = KMeans(k, random_state=0).fit(X)
    fitted.cluster_centers_ = X[:k].copy()
    np.testing.assert_array_equal(fitted.predict(X[:k]), np.arange(k))


# ----------------------------------------------------------------------- watching a fit


def test_callbacks_see_every_iteration_of_every_run():
    X, _ = make_blobs(300, 2, centers=9, random_state=0)
    watched = KMeans(9, n_init=2, random_state=0)
    watcher = Watcher("iteration", lambda fitted: fitted.score(X))
    watched.set_callbacks(watcher).fit(X)
    assert state(watched) == state(KMeans(9, n_init=2, random_state=0).fit(X))
    assert watcher.ended("run") == 2
    assert watcher.events[0] == "setup" and watcher.events[-2:] == ["end fit", "teardown"]
    first_run = watcher.events[: watcher.events.index("end run")].count("end iteration")
    assert np.all(np.diff(watcher.seen[:first_run]) >= -1e-9)


def test_callback_that_asks_to_stop_ends_the_run():
    X, _ = make_blobs(2000, 2, centers=30, cluster_std=3, random_state=0)
    watched = KMeans(30, random_state=0, tol=0).set_callbacks(Recorder("iteration", 3)).fit(X)
    assert watched.n_iter_ == 3
    np.testing.assert_array_equal(watched.predict(X), watched.labels_)


def test_verbose_prints_each_iteration(capsys):
    X, _ = make_blobs(100, 2, random_state=0)
    fitted = KMeans(3, random_state=0, verbose=1).fit(X)
    out = capsys.readouterr().out
    assert out.count("Iteration") == fitted.n_iter_
    assert "Converged" in out


def test_initial_centers_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="init contains NaN"):
        KMeans(2, init=[[np.nan, 0.0], [1.0, 1.0]]).fit(np.eye(4)[:, :2])
