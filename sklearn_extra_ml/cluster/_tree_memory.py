"""What HDBSCAN's `memory` keeps: spanning trees, and condensed trees of them.

A grid search copies the rows for every setting and asks again, so finding what is kept must cost
next to nothing beside the O(n) that a setting costs anyway. Rows are known by a fingerprint: NH sums
shrink them at the speed of memory, SHA-256 takes the rest (as UMAC does). A tree is kept as one
array; in a folder that is a file, which is mapped into memory rather than read.
"""

import hashlib
import mmap
import os
import threading
from pathlib import Path

import joblib
import numpy as np
from scipy import sparse

from .._core._threads import threads_for_rows
from .._native import _fingerprint
from .._version import __version__
from ._condensed_tree import CondensedTree, SingleLinkageTree, condense, link
from ._row_weights import needed_weight
from ._spanning_tree import MinimumSpanningTree

_KEYS = np.frombuffer(
    hashlib.shake_256(b"sklearn-extra-ml trees").digest(8 * _fingerprint.N_KEYS), dtype=np.uint32
).reshape(2, -1)


def fingerprint(arrays, n_jobs=None, words=""):
    """Return a string that differs for other `words` and arrays of other type, shape or content.

    Two given lists of arrays share it with probability 2^-128, unless somebody made them to.
    """
    state = hashlib.sha256(repr((words, [(a.shape, a.dtype.str) for a in arrays])).encode())
    for array in arrays:
        data = np.ascontiguousarray(array).ravel().view(np.uint8)
        sums = np.empty((-(-len(data) // _fingerprint.BLOCK), 4), dtype=np.uint64)
        n_threads = threads_for_rows(len(sums), n_jobs)
        _fingerprint.nh_sums(data, _KEYS, n_threads, sums)
        state.update(sums.data)
    return state.hexdigest()


class TreeFolder:
    """A folder of arrays, with as much of `joblib.Memory` as is needed here, at a tenth of its cost.

    A file holds 8-byte numbers: how many arrays there are, for each one whether it is real, its rows
    and its columns (0: it has one dimension), then all of them. Files are complete or absent: they
    are written under another name first.
    """

    def __init__(self, path):
        self._path = Path(path)

    def cache(self, function, ignore):
        """Return `function` so that it looks for ``<name>-<key>`` first, whatever the arguments."""

        def kept(*key, arguments):
            target = self._path / f"{function.__name__[1:]}-{'-'.join(map(str, key))}.trees"
            found = _read(target)
            if found is None:
                found = function(*key, arguments=arguments)
                self._path.mkdir(parents=True, exist_ok=True)
                _write(found, target)
            return found

        return kept


def _read(target):
    """Return the arrays in a file, None where there is none or a damaged one."""
    try:
        with open(target, "rb", buffering=0) as file:
            if os.name == "posix":
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            else:  # a mapped file could not be removed
                data = file.readall()
        data = np.frombuffer(data, np.int64)
    except (FileNotFoundError, ValueError):  # ValueError: empty, or no whole numbers
        return None
    n_arrays = int(data[0]) if len(data) else 0
    found, end = [], 1 + 3 * n_arrays
    if n_arrays < 1 or len(data) < end or data[1:end].min() < 0:
        return None
    for is_real, n_rows, n_columns in data[1:end].reshape(n_arrays, 3).tolist():
        part = data[end : end + n_rows * max(1, n_columns)]
        end += n_rows * max(1, n_columns)
        found.append(part.view(np.float64) if is_real else part)
        if n_columns and end <= len(data):
            found[-1] = found[-1].reshape(n_rows, n_columns)
    return found if end == len(data) else None


def _write(arrays, target):
    header = [len(arrays)]
    for array in arrays:
        header += [array.dtype.kind == "f", len(array), array.shape[1] if array.ndim > 1 else 0]
    incomplete = f"{target}.{os.getpid()}.{threading.get_ident()}"
    try:
        with open(incomplete, "wb", buffering=0) as file:
            for array in (np.array(header, dtype=np.int64), *arrays):
                _write_all(file, np.ascontiguousarray(array).ravel().view(np.uint8).data)
        os.replace(incomplete, target)
    except BaseException:
        Path(incomplete).unlink(missing_ok=True)
        raise


def _write_all(file, data):
    while len(data):
        data = data[file.write(data) :]


def grow(way, min_samples, alpha, weights):
    """Return core distances, spanning tree and its dendrogram, None where the tree is a forest."""
    core = way.core_distances(min_samples, weights, needed_weight(min_samples))
    tree = MinimumSpanningTree(*way.spanning_tree(core, alpha))
    return core, tree, link(tree) if len(tree.edges) == len(core) - 1 else None


# What `memory` calls: a key comes with the arguments that it stands for; out go arrays.


def _grown_tree(key, *, arguments):
    core, tree, linkage = grow(*arguments)
    return core, *tree, *(linkage or ())


def _condensed_tree(key, min_cluster_size, *, arguments):
    linkage, X, weights = arguments
    return tuple(condense(linkage, min_cluster_size, X, weights))


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
        self._memory = TreeFolder(memory) if isinstance(memory, str) else memory
        plain = all(p is None or isinstance(p, str | int | float) for p in parameters)
        # joblib takes as long for these few words as for all the rows
        words = repr(parameters) if plain else joblib.hash(parameters)
        self._key = fingerprint(arrays, n_jobs, f"{__version__} {words}")

    def _cached(self, function, *key, arguments):
        return self._memory.cache(function, ignore=["arguments"])(*key, arguments=arguments)

    def grow(self, *arguments):
        """What `grow` returns for these arguments."""
        core, edges, lengths, *linkage = self._cached(_grown_tree, self._key, arguments=arguments)
        linkage = SingleLinkageTree(*linkage) if linkage else None
        return core, MinimumSpanningTree(edges, lengths), linkage

    def condense(self, linkage, min_cluster_size, X, weights):
        """What `condense` returns for these arguments."""
        key, arguments = (self._key, int(min_cluster_size)), (linkage, X, weights)
        return CondensedTree(*self._cached(_condensed_tree, *key, arguments=arguments))


def arrays_of(X, weights):
    """What to know rows and weights by."""
    rows = [X.indptr, X.indices, X.data, np.array(X.shape)] if sparse.issparse(X) else [X]
    return rows if weights is None else [*rows, weights]
