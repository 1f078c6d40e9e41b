"""Warnings name the line of the user, and are given where a peer is silent."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.metrics import pairwise_distances

from sklearn_extra_ml.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn_extra_ml.hmm import CategoricalHMM, GaussianHMM, MultinomialHMM
from sklearn_extra_ml.manifold import TSNE

BLOBS = make_blobs(60, 2, centers=3, random_state=0)[0]
DISTANCES = pairwise_distances(BLOBS)
APART = sparse.block_diag([DISTANCES[:20, :20], DISTANCES[20:40, 20:40]]).tocsr()


@pytest.mark.parametrize(
    "use",
    [
        lambda: KMeans(3).fit(np.zeros((5, 1))),
        lambda: KMeans(1, algorithm="elkan").fit_predict(BLOBS),
        lambda: KMeans(2, init=BLOBS[:2], n_init=3).fit_transform(BLOBS),
        lambda: DBSCAN(metric="haversine").fit(BLOBS * 90),
        lambda: HDBSCAN(metric="haversine").fit_predict(BLOBS * 90),
        lambda: HDBSCAN(n_clusters=50).fit(BLOBS),
        lambda: HDBSCAN(metric="precomputed").fit(APART),
        lambda: GaussianHMM(2, max_iter=1, random_state=0).fit_transform(BLOBS),
        lambda: CategoricalHMM(2, max_iter=200, tol=1, random_state=0).fit(abs(BLOBS)),
        lambda: MultinomialHMM(1).fit(abs(BLOBS[:, :1])),
        lambda: TSNE(max_iter=5).fit(BLOBS[:9]),
        lambda: TSNE(max_iter=5).fit_transform(BLOBS[:9]),
        lambda: TSNE(perplexity=5, metric="haversine", max_iter=5).fit(BLOBS * 90),
    ],
)
def test_warning_points_to_the_line_of_the_caller(use):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        use()
    assert [warning.filename for warning in given] == [__file__]
    assert given[0].lineno == use.__code__.co_firstlineno


@pytest.mark.parametrize(
    "model",
    [
        HDBSCAN(metric="precomputed"),
        DBSCAN(metric="precomputed"),
        TSNE(perplexity=5, metric="precomputed", init="random", max_iter=5),
    ],
)
def test_similarities_given_as_distances_are_told(model):
    """scikit-learn#6052: similarities are clustered as if they were distances, in silence."""
    with pytest.warns(UserWarning, match="as of similarities"):
        model.fit(np.exp(-DISTANCES))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(DISTANCES)
        model.fit(DISTANCES + 0.1)  # a diagonal that is not 0, but the least of its row
