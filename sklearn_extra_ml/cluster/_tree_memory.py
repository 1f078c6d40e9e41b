"""What HDBSCAN's `memory` keeps: spanning trees, and condensed trees of them.

A grid search copies the rows for every setting and asks again, so finding what is kept must cost
next to nothing beside the O(n) that a setting costs anyway. Rows are known by a fingerprint: NH sums
shrink them at the speed of memory, SHA-256 takes the rest (as UMAC does). Trees are kept as one array
each, which joblib can map into memory instead of reading it.
"""

import hashlib
import os

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_memory

from .._core._threads import threads_for_rows
from .._native import _fingerprint
from .._version import __version__
from ._condensed_tree import CondensedTree, SingleLinkageTree, condense, link
from ._row_weights import needed_weight
from ._spanning_tree import MinimumSpanningTree

# Mapped files cannot be removed on Windows, so folders of trees could not be either.
MMAP_MODE = "r" if os.name == "posix" else None
_KEYS = np.frombuffer(
    hashlib.shake_256(b"sklearn-extra-ml trees").digest(8 * _fingerprint.N_KEYS), dtype=np.uint32
).reshape(2, -1)


def fingerprint(arrays, n_jobs=None):
    """Return a string that differs for arrays of other type, shape or content.

    Two given lists of arrays share it with probability 2^-128, unless somebody made them to.
    """
    state = hashlib.sha256(repr([(a.shape, a.dtype.str) for a in arrays]).encode())
    for array in arrays:
        data = np.ascontiguousarray(array).ravel().view(np.uint8)
        sums = np.empty((-(-len(data) // _fingerprint.BLOCK), 4), dtype=np.uint64)
        n_threads = threads_for_rows(len(sums), n_jobs)
        _fingerprint.nh_sums(data, _KEYS, n_threads, sums)
        state.update(sums.data)
    return state.hexdigest()


def _pack(arrays):
    """Return one array that holds all of `arrays` (of 8-byte numbers), and how to find them."""
    packed = np.concatenate([np.ascontiguousarray(a).ravel().view(np.int64) for a in arrays])
    return packed, [(a.shape, a.dtype.str) for a in arrays]


def _unpack(packed, layout):
    ends = np.cumsum([np.prod(shape, dtype=np.intp) for shape, _ in layout])
    parts = np.split(np.asarray(packed), ends[:-1])
    return [
        part.view(dtype).reshape(shape) for part, (shape, dtype) in zip(parts, layout, strict=True)
    ]


def grow(way, min_samples, alpha, weights):
    """Return core distances, spanning tree and its dendrogram, None where the tree is a forest."""
    core = way.core_distances(min_samples, weights, needed_weight(min_samples))
    tree = MinimumSpanningTree(*way.spanning_tree(core, alpha))
    return core, tree, link(tree) if len(tree.edges) == len(core) - 1 else None


# The functions that joblib calls: all but `key` and `min_cluster_size` is ignored there, for the key
# says what it is.


def _packed_growth(key, arguments):
    core, tree, linkage = grow(*arguments)
    return _pack([core, *tree, *(linkage or ())])


def _packed_condensed_tree(key, min_cluster_size, arguments):
    linkage, X, weights = arguments
    return _pack(condense(linkage, min_cluster_size, X, weights))


class TreeMemory:
    """Kept trees of one data set, metric and smoothing.

    Parameters
    ----------
    memory : str or object with the joblib.Memory interface

    arrays : list of ndarrays
        The rows and, where there are any, their weights.

    parameters : tuple
        Whatever else the spanning tree depends on.

    n_jobs : int or None
    """

    def __init__(self, memory, arrays, parameters, n_jobs):
        if isinstance(memory, str):
            memory = joblib.Memory(memory, mmap_mode=MMAP_MODE, verbose=0)
        self._memory = check_memory(memory)
        self._key = joblib.hash((__version__, fingerprint(arrays, n_jobs), parameters))

    def grow(self, *arguments):
        """What `grow` returns for these arguments."""
        cached = self._memory.cache(_packed_growth, ignore=["arguments"])
        core, edges, lengths, *linkage = _unpack(*cached(self._key, arguments))
        linkage = SingleLinkageTree(*linkage) if linkage else None
        return core, MinimumSpanningTree(edges, lengths), linkage

    def condense(self, linkage, min_cluster_size, X, weights):
        """What `condense` returns; the first and the last two arguments follow from the key."""
        cached = self._memory.cache(_packed_condensed_tree, ignore=["arguments"])
        return CondensedTree(
            *_unpack(*cached(self._key, int(min_cluster_size), (linkage, X, weights)))
        )


def arrays_of(X, weights):
    """What to know rows and weights by."""
    rows = [X.indptr, X.indices, X.data, np.array(X.shape)] if sparse.issparse(X) else [X]
    return rows if weights is None else [*rows, weights]
