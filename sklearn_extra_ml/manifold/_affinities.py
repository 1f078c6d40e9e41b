r"""Similarities between rows: the graph that t-SNE's attraction runs along.

A row's neighbours get weights :math:`p_{j|i} \propto \exp(-\beta_i d_{ij}^2)`, with
:math:`\beta_i` such that :math:`\exp` of the entropy of the weights is the perplexity, or equal
weights ("uniform"). Both directions are added, :math:`p_{ij} = (p_{j|i} + p_{i|j}) / 2n`, so all
weights sum to 1.

L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014 (three times
the perplexity of neighbours). J. N. Böhm, P. Berens, D. Kobak, "Attraction-repulsion spectrum in
neighbor embeddings", JMLR 23, 2022 (uniform weights of 15 neighbours give nearly the same picture).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .._native import _tsne_affinities
from ._repulsion import padded

__all__ = ["Graph", "graph_of_matrix", "perplexity_weights", "symmetric_graph"]


@dataclass
class Graph:
    """Symmetric similarities, row by row; rows padded to multiples of 16 edges of weight 0."""

    indptr: np.ndarray  # (n + 1,) int64
    target: np.ndarray  # (n_edges,) int32
    weight: np.ndarray  # (n_edges,) float32, all of them summing to 1
    order: np.ndarray  # (n,) int32: the row of the data that each row of the graph stands for

    @property
    def n_rows(self):
        return len(self.order)

    def entropy(self):
        """Sum of p log p, the constant part of the divergence."""
        total = 0.0
        for first in range(0, len(self.weight), 2**20):
            p = self.weight[first : first + 2**20].astype(np.float64)
            p = p[p > 0]
            total += float(np.sum(p * np.log(p)))
        return total

    def reorder(self, order, n_threads):
        """Bring the rows into another order: `order` holds present numbers.

        Targets and weights one after the other, so that only one of them is there twice.
        """
        position = np.empty(len(order), dtype=np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        old, indptr = np.ascontiguousarray(order, dtype=np.intp), np.empty_like(self.indptr)
        _tsne_affinities.reorder_rows(self.indptr, old, indptr)
        for name, numbers in (("target", position), ("weight", position[:0])):
            values = getattr(self, name)
            moved = np.empty_like(values)
            setattr(self, name, None)
            _tsne_affinities.reorder_edges(
                self.indptr,
                indptr,
                old,
                numbers,
                values.view(np.int32),
                n_threads,
                moved.view(np.int32),
            )
            setattr(self, name, moved)
        self.indptr, self.order = indptr, self.order[order]


def perplexity_weights(sq_distances, perplexity, n_threads):
    """Turn squared distances (n, k), float32, into weights of that perplexity, in place."""
    _tsne_affinities.row_weights(sq_distances, np.log(perplexity), n_threads)
    return sq_distances


def symmetric_graph(neighborhoods, weights, n_threads):
    """Return the `Graph` of directed weights (n, k), each row of which sums to 1."""
    neighbors, order = neighborhoods.neighbors, neighborhoods.order
    n = len(neighbors)
    mutual = np.empty(neighbors.shape, dtype=np.uint8)
    indptr = np.empty(n + 1, dtype=np.int64)
    _tsne_affinities.count_edges(neighbors, n_threads, mutual, indptr)
    target = np.empty(indptr[-1], dtype=np.int32)
    weight = np.empty(indptr[-1], dtype=np.float32)
    _tsne_affinities.fill_edges(
        neighbors, weights, mutual, indptr, 1.0 / (2.0 * n), n_threads, target, weight
    )
    return Graph(indptr, target, weight, order)


def graph_of_matrix(A):
    """Return the `Graph` of given similarities (n, n), made symmetric and to sum to 1."""
    A = sparse.csr_array(A, dtype=np.float64, copy=True)
    n = A.shape[0]
    A.setdiag(0.0)
    A = sparse.csr_array(A + A.T)
    A.sum_duplicates()
    A.eliminate_zeros()
    total = A.sum()
    counts = np.diff(A.indptr).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum(-(-counts // 16) * 16)]).astype(np.int64)
    target = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
    weight = np.zeros(indptr[-1], dtype=np.float32)
    at = np.arange(A.nnz) + np.repeat(indptr[:-1] - A.indptr[:-1], counts)
    target[at] = A.indices
    weight[at] = A.data / total if total > 0 else 0.0
    return Graph(indptr, target, weight, np.arange(n, dtype=np.int32))


def soa(points, fill):
    """Return points (n, d) as one padded float32 row for each coordinate."""
    n, d = points.shape
    y = np.full((d, padded(n)), fill, dtype=np.float32)
    y[:, :n] = points.T
    return y
