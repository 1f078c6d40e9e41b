"""TSNE: scikit-learn's meaning, new rows, bad input, promises."""

import pickle
import warnings

import numpy as np
import pytest
from callbacks import Recorder, Watcher
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.manifold import TSNE as SklearnTSNE
from sklearn.manifold import trustworthiness
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from reference import tsne as reference
from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.manifold._initialization import initial_positions


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def fitted(digits):
    return TSNE(random_state=0).fit(digits[0][:1200])


@pytest.fixture(scope="module")
def scikit_learns(digits):
    return SklearnTSNE(random_state=0).fit(digits[0][:700]).embedding_


def similarities_of(X, perplexity=30.0):
    return reference.similarities(np.asarray(X, float), perplexity, int(3 * perplexity + 1))


@pytest.mark.parametrize("method", ["auto", "barnes_hut", "fft", "exact"])
def test_divergence_is_as_low_as_scikit_learns_on_digits(method, digits, scikit_learns):
    X = digits[0][:700]
    P = similarities_of(X)
    # n_neighbors: the same graph for "exact", which would take all rows for neighbours
    ours = TSNE(method=method, n_neighbors=91, random_state=0).fit(X)
    found = reference.kl_divergence(P, ours.embedding_)
    assert found < 1.01 * reference.kl_divergence(P, scikit_learns)
    np.testing.assert_allclose(ours.kl_divergence_, found, rtol=1e-4)
    assert trustworthiness(X, ours.embedding_) > trustworthiness(X, scikit_learns) - 0.01


def test_exact_takes_every_row_for_a_neighbour_as_scikit_learn_does():
    X = load_iris().data[::2] + np.arange(75)[:, None] * 1e-3
    model = TSNE(method="exact", perplexity=10, random_state=0).fit(X)
    P = reference.similarities(X, 10.0, 74)
    np.testing.assert_allclose(
        model.kl_divergence_, reference.kl_divergence(P, model.embedding_), rtol=1e-4
    )


def test_learning_rate_follows_scikit_learn(digits):
    model = TSNE(max_iter=1).fit(digits[0])
    assert model.learning_rate_ == max(1797 / 12 / 4, 50)
    assert TSNE(max_iter=1, learning_rate=7.0).fit(digits[0]).learning_rate_ == 7.0


def test_history_falls_in_the_second_phase_and_counts_iterations(fitted):
    iterations, kl = fitted.kl_history_.T
    np.testing.assert_array_equal(iterations, np.arange(50, 1001, 50))
    assert (np.diff(kl[6:]) < 1e-3).all()
    assert fitted.n_iter_ == 1000
    assert fitted.kl_divergence_ <= kl[-1] + 5e-3  # the tree's normaliser, and the exact one


def test_embedding_has_equal_bits_for_any_number_of_threads(digits):
    for method in ("auto", "fft"):
        first, *others = (
            TSNE(method=method, n_jobs=n, max_iter=300).fit(digits[0]) for n in (1, 2, 3)
        )
        for other in others:
            np.testing.assert_array_equal(other.embedding_, first.embedding_)
            assert other.kl_divergence_ == first.kl_divergence_


def test_transform_of_fitted_rows_returns_their_positions(fitted, digits):
    X = digits[0][:1200]
    np.testing.assert_array_equal(fitted.transform(X), fitted.embedding_)
    np.testing.assert_array_equal(fitted.transform(X[5:6]), fitted.embedding_[5:6])


def test_transform_places_new_rows_among_their_kind(fitted, digits):
    X, y = digits
    judge = KNeighborsClassifier(10).fit(fitted.embedding_, y[:1200])
    best = KNeighborsClassifier(10).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])
    assert judge.score(fitted.transform(X[1200:]), y[1200:]) > best - 0.04


def test_transform_places_each_row_alone(fitted, digits):
    X = digits[0][1200:1300]
    together = fitted.transform(X)
    np.testing.assert_array_equal(fitted.transform(X[[7, 3]]), together[[7, 3]])
    np.testing.assert_array_equal(fitted.transform(X[::-1]), together[::-1])


@pytest.mark.parametrize(
    "options",
    [
        {"n_components": 1},
        {"n_components": 3},
        {"n_components": 3, "method": "exact"},
        {"n_components": 5},
        {"affinity": "uniform"},
        {"affinity": "uniform", "n_neighbors": 5},
        {"metric": "cosine"},
        {"metric": "manhattan"},
        {"metric": "minkowski", "metric_params": {"p": 3}},
        {"metric": "canberra"},
        {"dof": 0.6},
        {"exaggeration": 4.0},
        {"init": "random"},
        {"method": "barnes_hut", "angle": 0.8},
        {"perplexity": 200.0},
    ],
    ids=str,
)
def test_every_option_gives_a_map_that_keeps_classes_together(options, digits):
    X, y = digits
    model = TSNE(random_state=0, max_iter=500, **options).fit(X[:1000])
    score = KNeighborsClassifier(5).fit(model.embedding_, y[:1000])
    assert np.isfinite(model.embedding_).all()
    assert score.score(model.embedding_, y[:1000]) > 0.9
    assert score.score(model.transform(X[1000:1200]), y[1000:1200]) > 0.8


def test_precomputed_distances_and_graphs_equal_rows(digits):
    X = digits[0][:400]
    init = np.random.default_rng(0).normal(size=(400, 2)) * 1e-4
    options = {"init": init, "max_iter": 30}
    by_rows = TSNE(**options).fit(X)
    D = pairwise_distances(X)
    graph = kneighbors_graph(X, 91, mode="distance")
    before = D.copy(), graph.copy()
    # the order of sums differs, and descent multiplies what rounding begins
    for given in (D, graph):
        model = TSNE(metric="precomputed", **options).fit(given)
        np.testing.assert_allclose(model.embedding_, by_rows.embedding_, rtol=0.05, atol=0.05)
    np.testing.assert_array_equal(D, before[0])
    assert (graph != before[1]).nnz == 0
    new = pairwise_distances(digits[0][400:450], X)
    model = TSNE(metric="precomputed", **options).fit(D)
    np.testing.assert_array_equal(model.transform(D[:5]), model.embedding_[:5])
    assert np.isfinite(model.transform(new)).all()


def test_precomputed_similarities_are_symmetrised_and_scaled(digits):
    X = digits[0][:300]
    P = similarities_of(X)
    init = np.random.default_rng(0).normal(size=(300, 2)) * 1e-4
    options = {"affinity": "precomputed", "init": init, "max_iter": 300}
    dense = TSNE(**options).fit(P * 5)
    np.testing.assert_allclose(
        dense.kl_divergence_, reference.kl_divergence(P, dense.embedding_), rtol=1e-4
    )
    as_graph = TSNE(**options).fit(sparse.csr_array(P))
    np.testing.assert_allclose(as_graph.kl_divergence_, dense.kl_divergence_, rtol=0.02)
    assert np.isfinite(as_graph.transform(P[:10])).all()


@pytest.mark.parametrize("options", [{}, {"metric": "cosine"}, {"n_components": 3}], ids=str)
def test_sparse_rows_give_a_map(options, digits):
    X, y = digits
    model = TSNE(max_iter=400, random_state=0, **options).fit(sparse.csr_array(X[:500]))
    assert (
        KNeighborsClassifier(5).fit(model.embedding_, y[:500]).score(model.embedding_, y[:500])
        > 0.9
    )
    np.testing.assert_array_equal(model.transform(sparse.csr_array(X[:500])), model.embedding_)
    assert np.isfinite(model.transform(sparse.csr_array(X[500:600]))).all()


@pytest.mark.parametrize("exponent", [-120, 120])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"method": "exact"}, {"metric": "manhattan"}, {"metric": "precomputed"}],
    ids=str,
)
def test_units_of_the_rows_change_nothing(exponent, parameters):
    # squares of such distances vanish or overflow in single precision
    X = load_iris().data[::2] + np.arange(75)[:, None] * 2.0**-10
    new = X[::5] + 2.0**-4
    if parameters.get("metric") == "precomputed":
        X, new = pairwise_distances(X), pairwise_distances(new, X)
    common = {"perplexity": 10, "init": "random", "max_iter": 300, "random_state": 0}
    expected = TSNE(**common | parameters).fit(X)
    found = TSNE(**common | parameters).fit(np.ldexp(X, exponent))
    np.testing.assert_array_equal(found.embedding_, expected.embedding_)
    np.testing.assert_array_equal(found.transform(np.ldexp(new, exponent)), expected.transform(new))


@pytest.mark.parametrize("exponent", [-80, 80])
def test_single_precision_rows_in_far_units_are_searched_in_double(exponent):
    X = load_iris().data[::2].astype(np.float32) + np.arange(75, dtype=np.float32)[:, None] / 1024
    model = TSNE(perplexity=10, init="random", max_iter=300, random_state=0)
    expected = model.fit_transform(X.astype(np.float64))
    np.testing.assert_array_equal(model.fit_transform(np.ldexp(X, exponent)), expected)


def test_float32_rows_far_from_the_origin_keep_their_neighbours(digits):
    X, y = digits
    model = TSNE(max_iter=400).fit((X[:600] + 1e5).astype(np.float32))
    assert (
        KNeighborsClassifier(5).fit(model.embedding_, y[:600]).score(model.embedding_, y[:600])
        > 0.95
    )


def test_tol_ends_the_second_phase_early(digits):
    X = digits[0][:600]
    whole = TSNE(random_state=0).fit(X)
    early = TSNE(random_state=0, tol=2e-4).fit(X)
    assert 250 < early.n_iter_ < whole.n_iter_
    assert early.kl_divergence_ < 1.1 * whole.kl_divergence_


def test_gradient_norm_and_lack_of_progress_end_the_fit(digits):
    X = digits[0][:200]
    assert TSNE(min_grad_norm=1e9).fit(X).n_iter_ == 100  # one look in each phase
    assert TSNE(n_iter_without_progress=-1, max_iter=4000).fit(X).n_iter_ < 4000


def test_iterations_that_the_exaggeration_leaves_over_are_made(rng):
    X = rng.normal(size=(500, 5))  # one cloud: exaggeration draws it together until nothing moves
    start = (1e-6 * rng.normal(size=(500, 2))).astype(np.float32)
    model = TSNE(init=start, max_iter=400).fit(X)
    assert model.n_iter_ == 400 and model.kl_history_[3, 1] < 0.9 * model.kl_history_[0, 1]


def test_callbacks_see_the_map_every_50_iterations(digits):
    X = digits[0][:200]
    for task, times in (("iterations", 6), ("fit", 1)):
        watcher = Watcher(task, lambda fitted: fitted.embedding_.copy())
        model = TSNE(max_iter=300).set_callbacks(watcher).fit(X)
        assert watcher.ended(task) == times
        np.testing.assert_array_equal(watcher.seen[-1], model.embedding_)


def test_callback_that_asks_to_stop_ends_the_fit(digits):
    model = TSNE().set_callbacks(Recorder("iterations", 3)).fit(digits[0][:200])
    assert model.n_iter_ == 150


def test_verbose_prints_the_divergence(digits, capsys):
    TSNE(verbose=2, max_iter=100).fit(digits[0][:100])
    out = capsys.readouterr().out
    assert "Iteration 50: KL divergence" in out
    assert "after 100 iterations" in out


def test_equal_rows_start_apart_and_stay_close():
    X = np.repeat(np.random.default_rng(0).normal(size=(50, 5)), 4, axis=0)
    start = initial_positions("pca", X, 2, np.random.RandomState(0))
    assert len(np.unique(start, axis=0)) == 200
    model = TSNE(perplexity=10, random_state=0).fit(X)
    groups = model.embedding_.reshape(50, 4, 2)
    within = np.linalg.norm(groups - groups.mean(axis=1, keepdims=True), axis=2)
    assert np.median(within) < 0.05 * np.ptp(model.embedding_)
    first = model.embedding_[np.repeat(np.arange(0, 200, 4), 4)]
    np.testing.assert_array_equal(model.transform(X), first)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_few_rows_give_a_finite_map_and_a_warning(n, n_components):
    X = np.random.default_rng(n).normal(size=(n, 3))
    with pytest.warns(UserWarning, match="perplexity"):
        model = TSNE(n_components).fit(X)
    assert np.isfinite(model.embedding_).all()
    assert model.embedding_.shape == (n, n_components)
    np.testing.assert_array_equal(model.transform(X), model.embedding_)
    assert np.isfinite(model.transform(X + 0.1)).all()


@pytest.mark.parametrize("method", ["auto", "fft", "barnes_hut", "exact"])
@pytest.mark.parametrize("n", [40, 700])
def test_constant_data_give_a_finite_map(method, n):
    model = TSNE(perplexity=5, method=method, random_state=0, max_iter=300).fit(np.ones((n, 4)))
    assert np.isfinite(model.embedding_).all()
    assert np.isfinite(model.kl_divergence_)
    assert np.isfinite(model.transform(np.zeros((3, 4)))).all()


def test_one_feature_gives_a_plane():
    X = np.random.default_rng(0).normal(size=(100, 1))
    model = TSNE(perplexity=10).fit(X)
    assert model.embedding_.shape == (100, 2)
    assert np.isfinite(model.embedding_).all()


def test_far_outlier_in_the_initialisation_is_survived(digits):
    X = digits[0][:700]
    init = np.random.default_rng(0).normal(size=(700, 2))
    init[3] = 1e7
    for method in ("auto", "fft"):
        model = TSNE(init=init, method=method, max_iter=100).fit(X)
        assert np.isfinite(model.embedding_).all()


@pytest.mark.parametrize(
    "options, X, message",
    [
        ({}, np.ones((1, 3)), "minimum of 2"),
        ({}, np.full((9, 2), np.nan), "NaN"),
        ({"init": np.zeros((5, 2))}, np.ones((9, 2)), "init"),
        ({"init": np.full((9, 2), np.inf)}, np.ones((9, 2)), "init"),
        ({"metric": "precomputed"}, np.ones((9, 9)), "init"),
        ({"metric": "precomputed", "init": "random"}, np.ones((9, 8)), "square"),
        ({"metric": "precomputed", "init": "random"}, -np.ones((9, 9)), "negative"),
        ({"affinity": "precomputed", "init": "random"}, -np.ones((9, 9)), "negative"),
        ({"n_components": 3, "method": "fft"}, np.ones((9, 9)), "n_components"),
        ({"n_components": 4, "method": "barnes_hut"}, np.ones((9, 9)), "n_components"),
    ],
    ids=str,
)
def test_bad_input_is_refused(options, X, message):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("ignore", UserWarning)
        TSNE(**options).fit(X)


def test_graph_with_too_few_neighbours_is_refused():
    graph = kneighbors_graph(np.arange(40.0)[:, None], 5, mode="distance")
    with pytest.raises(ValueError, match="n_neighbors"):
        TSNE(metric="precomputed", init="random", perplexity=10).fit(graph)


def test_exact_refuses_a_sparse_graph():
    graph = kneighbors_graph(np.arange(40.0)[:, None], 35, mode="distance")
    with pytest.raises(TypeError, match="dense"):
        TSNE(metric="precomputed", init="random", method="exact").fit(graph)


def test_pickled_model_places_new_rows_alike(fitted, digits):
    copy = pickle.loads(pickle.dumps(fitted))
    X = digits[0][1200:1220]
    np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))


@pytest.mark.parametrize("method", ["auto", "exact"])
@pytest.mark.parametrize("n_components", [20, 24, 40])
def test_many_components_give_a_finite_map(rng, n_components, method):
    """scikit-learn#9941: infinities from 24 components on."""
    X = rng.random((100, 100))
    model = TSNE(n_components, method=method, max_iter=500, random_state=0).fit(X)
    assert np.isfinite(model.embedding_).all()
    assert model.kl_divergence_ > 0
    if n_components <= 24:
        assert model.kl_divergence_ < 0.2
