"""Forces, similarities and steps of t-SNE against the definitions."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

from reference import tsne as reference
from sklearn_extra_ml.manifold import _repulsion
from sklearn_extra_ml.manifold._affinities import (
    graph_of_matrix,
    perplexity_weights,
    soa,
    symmetric_graph,
)
from sklearn_extra_ml.manifold._neighbors import all_others, find_neighbors
from sklearn_extra_ml.manifold._optimizer import Phase, descend

ENGINES = {
    "exact": _repulsion.ExactRepulsion,
    "tree": _repulsion.TreeRepulsion,
    "grid": _repulsion.GridRepulsion,
    "adaptive": _repulsion.AdaptiveRepulsion,
}


def disk(rng, n, span):
    """Points spread evenly over a disk of given diameter, off the origin."""
    radius, angle = np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return (points * span / 2 + span).astype(np.float32)


def clusters(rng, n, span):
    centers = disk(rng, 15, 0.8 * span)
    noise = rng.normal(size=(n, 2)) * span / 60
    return (centers[rng.integers(15, size=n)] + noise).astype(np.float32)


def repel(engine, Y, dof=1.0, n_threads=2, **options):
    y = soa(Y, _repulsion.FAR)
    out = np.zeros_like(y)
    Z = ENGINES[engine](dof, n_threads, **options).forces(y, len(Y), out)
    return out[:, : len(Y)].T, Z


def off(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("span", [1.0, 4.0, 10.0, 30.0, 80.0, 200.0])
@pytest.mark.parametrize("points", [disk, clusters])
@pytest.mark.parametrize("n", [500, 3000])
def test_grid_forces_and_normaliser_are_within_one_percent_for_any_span(points, span, n, rng):
    Y = points(rng, n, span)
    expected, Z_expected = reference.forces(Y, 1.0)
    force, Z = repel("grid", Y)
    assert off(force, expected) < 0.01
    assert abs(Z - Z_expected) < 1e-3 * Z_expected


@pytest.mark.parametrize("span", [1e-6, 1e-3, 0.049, 0.051, 0.3])
def test_grid_forces_of_a_compact_embedding_keep_their_precision(span, rng):
    Y = disk(rng, 2000, span) - np.float32(span)
    expected, Z_expected = reference.forces(Y, 1.0)
    force, Z = repel("grid", Y)
    assert off(force, expected) < 0.01
    assert abs(Z - Z_expected) < 0.01 * Z_expected


@pytest.mark.parametrize("span", [1.0, 50.0, 3000.0])
def test_grid_in_one_dimension_is_within_one_percent(span, rng):
    Y = (rng.random((2000, 1)) * span).astype(np.float32)
    expected, Z_expected = reference.forces(Y, 1.0)
    force, Z = repel("grid", Y)
    assert off(force, expected) < 0.01
    assert abs(Z - Z_expected) < 1e-3 * Z_expected


@pytest.mark.parametrize("dof", [0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("n_components", [1, 2, 3, 6])
def test_exact_forces_equal_the_definition(dof, n_components, rng):
    Y = (rng.normal(size=(137, n_components)) * 5).astype(np.float32)
    expected, Z_expected = reference.forces(Y, dof)
    force, Z = repel("exact", Y, dof)
    assert off(force, expected) < 3e-6
    assert abs(Z - Z_expected) < 1e-5 * Z_expected


@pytest.mark.parametrize("dof", [0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_tree_forces_are_close_and_exact_at_angle_zero(dof, n_components, rng):
    Y = (rng.normal(size=(1500, n_components)) * 20).astype(np.float32)
    expected, Z_expected = reference.forces(Y, dof)
    force, Z = repel("tree", Y, dof)
    assert off(force, expected) < 0.03
    assert abs(Z - Z_expected) < 0.02 * Z_expected
    force, Z = repel("tree", Y, dof, angle=0.0)
    assert off(force, expected) < 1e-5
    assert abs(Z - Z_expected) < 1e-5 * Z_expected


@pytest.mark.parametrize("dof", [0.5, 2.0])
def test_grid_takes_any_degrees_of_freedom(dof, rng):
    Y = disk(rng, 3000, 60.0)
    expected, Z_expected = reference.forces(Y, dof)
    force, Z = repel("grid", Y, dof)
    assert off(force, expected) < 0.01
    assert abs(Z - Z_expected) < 1e-3 * Z_expected


@pytest.mark.parametrize("distance", [1e4, 1e6, 1e9])
def test_far_outlier_leaves_the_grid_for_the_tree(distance, rng):
    Y = np.concatenate([disk(rng, 1000, 50.0), [[distance, -distance]]]).astype(np.float32)
    expected, Z_expected = reference.forces(Y, 1.0)
    force, Z = repel("grid", Y)
    assert off(force, expected) < 0.03
    assert abs(Z - Z_expected) < 0.02 * Z_expected


@pytest.mark.parametrize("engine", ENGINES)
def test_forces_have_equal_bits_for_any_number_of_threads(engine, rng):
    Y = clusters(rng, 6000, 90.0)
    force, Z = repel(engine, Y, n_threads=1)
    for n_threads in (2, 5):
        other, Z_other = repel(engine, Y, n_threads=n_threads)
        np.testing.assert_array_equal(other, force)
        assert Z_other == Z


@pytest.mark.parametrize("engine", ENGINES)
def test_potential_at_other_points_does_not_depend_on_their_company(engine, rng):
    Y, queries = disk(rng, 2000, 40.0), disk(rng, 90, 40.0)
    repulsion = ENGINES[engine](1.0, 2)
    repulsion.freeze(soa(Y, _repulsion.FAR), len(Y))

    def at(points):
        q = soa(points, _repulsion.FAR)
        force, potential = np.zeros_like(q), np.zeros(q.shape[1], np.float32)
        repulsion.at(q, len(points), force, potential)
        return force[:, : len(points)].T, potential[: len(points)]

    force, potential = at(queries)
    difference = queries[:, None].astype(float) - Y[None]
    w = 1 / (1 + (difference**2).sum(axis=2))
    np.testing.assert_allclose(potential, w.sum(axis=1), rtol=0.03)
    assert off(force, (difference * (w**2)[..., None]).sum(axis=1)) < 0.03
    some = np.array([3, 88, 40])
    force_some, potential_some = at(queries[some])
    np.testing.assert_array_equal(force_some, force[some])
    np.testing.assert_array_equal(potential_some, potential[some])


@pytest.mark.parametrize("perplexity", [1.5, 5.0, 25.0])
def test_weights_have_the_perplexity_and_equal_the_definition(perplexity, rng):
    sq = (rng.gamma(2.0, size=(40, 77)) * 10.0 ** rng.integers(-6, 6, size=(40, 1))).astype("f4")
    expected = reference.row_weights(sq, perplexity)
    weights = perplexity_weights(sq.copy(), perplexity, 2)
    np.testing.assert_allclose(weights, expected, rtol=2e-3, atol=2e-5)
    entropy = -np.sum(np.where(weights > 0, weights * np.log(np.maximum(weights, 1e-30)), 0), 1)
    np.testing.assert_allclose(np.exp(entropy), perplexity, rtol=1e-3)


def test_weights_of_equal_distances_are_equal():
    weights = perplexity_weights(np.full((3, 20), 7.0, np.float32), 5.0, 1)
    np.testing.assert_allclose(weights, 1 / 20)


def dense(graph):
    n = graph.n_rows
    out = np.zeros((n, n))
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    np.add.at(out, (graph.order[rows], graph.order[graph.target]), graph.weight)
    return out


@pytest.mark.parametrize("path", ["tree", "all pairs"])
def test_graph_equals_the_dense_similarities(path, dtype):
    X = load_iris().data.astype(dtype) + np.arange(150)[:, None] * dtype(1e-3)
    if path == "tree":
        found, k = find_neighbors(X, 31, "euclidean", None, None, 2), 31
    else:
        found, k = all_others(X, "euclidean", None), 149
    graph = symmetric_graph(found, perplexity_weights(found.sq_distances, 10.0, 2), 2)
    P = dense(graph)
    np.testing.assert_allclose(P, reference.similarities(X.astype(float), 10.0, k), atol=2e-6)
    np.testing.assert_allclose(P, P.T, rtol=1e-6)
    np.testing.assert_allclose(P.sum(), 1.0, rtol=1e-6)
    assert (np.diff(graph.indptr) % 16 == 0).all()


def test_reordered_graph_is_the_same_graph(rng):
    A = sparse.random_array((50, 50), density=0.2, rng=rng, format="csr")
    graph = graph_of_matrix(A)
    expected = np.array((A + A.T).todense())
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(graph), expected / expected.sum(), rtol=1e-5)
    before = dense(graph)
    graph.reorder(rng.permutation(50), 2)
    np.testing.assert_array_equal(dense(graph), before)
    assert not np.array_equal(graph.order, np.arange(50))


@pytest.mark.parametrize("n_components, dof", [(1, 1.0), (2, 1.0), (2, 0.7), (3, 2.0), (4, 3.0)])
def test_exact_descent_equals_the_reference(n_components, dof, rng):
    X = load_iris().data[::2] + rng.normal(scale=1e-3, size=(75, 4))
    P = reference.similarities(X, 8.0, 74)
    start = (rng.normal(size=(75, n_components)) * 1e-2).astype(np.float32)
    schedule = [(15, 12.0, 0.5, 5.0), (30, 1.0, 0.8, 10.0)]
    found = descend(
        graph_of_matrix(P),
        start,
        _repulsion.ExactRepulsion(dof, 2),
        [Phase(end, *rest, 1000, 0.0) for end, *rest in schedule],
        dof=dof,
        max_step=5.0,
        min_grad_norm=0.0,
        n_threads=2,
        watch=lambda *seen: False,
    )
    expected = reference.descend(P, start, schedule, dof)
    assert off(found.embedding, expected) < 1e-3
    assert found.n_iter == 30
    np.testing.assert_allclose(
        found.kl, reference.kl_divergence(P, found.embedding, dof), rtol=1e-5
    )


def test_normaliser_of_many_rows_is_the_grids(rng):
    Y = disk(rng, 3000, 100.0)
    y = soa(Y, _repulsion.FAR)
    repulsion = _repulsion.AdaptiveRepulsion(1.0, 2)
    Z_tree = repulsion.forces(y, len(Y), np.zeros_like(y))
    Z_expected = reference.forces(Y, 1.0)[1]
    assert abs(repulsion.normaliser(y, len(Y)) - Z_expected) < 1e-4 * Z_expected
    assert 1e-4 * Z_expected < abs(Z_tree - Z_expected) < 0.01 * Z_expected
