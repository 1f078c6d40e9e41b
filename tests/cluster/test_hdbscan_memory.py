"""What HDBSCAN's `memory` keeps, and how it knows rows again."""

import copy
import os
import pickle
import shutil

import joblib
import numpy as np
import pytest
from scipy import sparse

from reference.hdbscan_data import blobs
from sklearn_extra_ml._native import _fingerprint
from sklearn_extra_ml.cluster import HDBSCAN, _condensed_tree, _tree_memory
from sklearn_extra_ml.cluster._tree_memory import TreeFolder, fingerprint

FITTED = ("labels_", "probabilities_", "outlier_scores_", "cluster_persistence_", "core_distances_")


def assert_same_fit(one, other):
    for name in FITTED:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("minimum_spanning_tree_", "single_linkage_tree_", "condensed_tree_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    assert one.relative_validity_ == other.relative_validity_


# -------------------------------------------------------------------------------- fingerprints


def slow_nh_sums(data, keys):
    """The definition, in Python's integers."""
    data = data.tobytes() + bytes(-len(data) % 1024)
    words = np.frombuffer(data, dtype=np.uint32).reshape(-1, 2, 128).tolist()
    k, m = keys.tolist()
    return [
        [
            sum(
                ((x + k[i + t]) % 2**32) * ((y + m[i + t]) % 2**32)
                for i, (x, y) in enumerate(zip(*halves, strict=True))
            )
            % 2**64
            for t in range(4)
        ]
        for halves in words
    ]


@pytest.mark.parametrize("n_bytes", [1, 8, 1023, 1024, 1025, 80_000])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_nh_sums_equal_the_definition(n_bytes, n_threads, rng):
    data = rng.integers(256, size=n_bytes).astype(np.uint8)
    keys = rng.integers(2**32, size=(2, _fingerprint.N_KEYS)).astype(np.uint32)
    sums = np.empty((-(-n_bytes // _fingerprint.BLOCK), 4), dtype=np.uint64)
    _fingerprint.nh_sums(data, keys, n_threads, sums)
    assert sums.tolist() == slow_nh_sums(data, keys)


def test_fingerprint_differs_for_every_small_change(rng):
    X = rng.normal(size=(300, 3))
    changed = [X, X.astype(np.float32), X.reshape(3, 300), X[::-1], X[:, ::-1], X[:-1], -X]
    for _ in range(200):
        other = X.copy()
        bits = other.view(np.uint64).ravel()
        bits[rng.integers(900)] ^= np.uint64(1) << np.uint64(rng.integers(64))
        changed.append(other)
    for step in (1, 16, 64, 128):  # signs of two entries, and two entries exchanged
        other, order = X.copy(), np.arange(900)
        other.ravel()[[5, 5 + step]] *= -1
        changed.append(other)
        order[[5, 5 + step]] = order[[5 + step, 5]]
        changed.append(X.ravel()[order].reshape(X.shape))
    found = [fingerprint([a]) for a in changed]
    assert len(set(found)) == len(found)
    assert fingerprint([X.copy()]) == fingerprint([np.asfortranarray(X)]) == found[0]
    assert fingerprint([X, X]) not in (found[0], fingerprint([np.vstack([X, X])]))
    assert len({fingerprint([np.zeros(n)]) for n in range(300)}) == 300


# ---------------------------------------------------------------------------------------- kept


@pytest.mark.parametrize("kind", ["folder", "joblib", "mapped joblib"])
def test_every_kind_of_memory_changes_no_result(kind, tmp_path, rng):
    X = blobs(rng, 1500, 2)
    memory = {
        "folder": str(tmp_path / "not" / "yet"),
        "joblib": joblib.Memory(tmp_path, verbose=0),
        "mapped joblib": joblib.Memory(tmp_path, mmap_mode="r", verbose=0),
    }[kind]
    for size in (5, 12, 5):
        kept = HDBSCAN(size, min_samples=4, memory=memory).fit(X)
        assert_same_fit(kept, HDBSCAN(size, min_samples=4).fit(X))


def test_one_file_for_the_tree_and_one_for_each_size(tmp_path, monkeypatch, rng):
    X = blobs(rng, 200, 2)
    made = []
    condense = _tree_memory.condense
    monkeypatch.setattr(
        _tree_memory, "condense", lambda *args: made.append(args[1]) or condense(*args)
    )
    for method in ("eom", "leaf"):
        for size in (4, np.int64(9)):
            HDBSCAN(size, min_samples=3, cluster_selection_method=method, memory=str(tmp_path)).fit(
                X
            )
    assert made == [4, 9]
    names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert names == ["condensed_tree", "condensed_tree", "grown_tree"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[:-8],
        lambda b: b[:-3],
        lambda b: b[:16],
        lambda b: b + bytes(8),
        lambda b: np.int64(-3).tobytes() + b[8:],
        lambda b: b[:16] + np.int64(-3).tobytes() + b[24:],
    ],
    ids=[
        *("empty", "word missing", "bytes missing", "header only", "word too many"),
        *("count below 0", "rows below 0"),
    ],
)
def test_a_damaged_file_is_written_again(damage, tmp_path, rng):
    X = blobs(rng, 100, 2)
    fresh = HDBSCAN(memory=str(tmp_path)).fit(X)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path, content in whole.items():
        path.unlink()  # the arrays of `fresh` are mapped from the old file
        path.write_bytes(damage(content))
    assert_same_fit(HDBSCAN(memory=str(tmp_path)).fit(X), fresh)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == whole


def test_a_failed_write_leaves_nothing_and_is_told(tmp_path, monkeypatch, rng):
    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        HDBSCAN(memory=str(tmp_path)).fit(blobs(rng, 100, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_model_outlives_the_folder_and_travels(tmp_path, rng):
    X = blobs(rng, 300, 2)
    HDBSCAN(memory=str(tmp_path)).fit(X)
    model, fresh = HDBSCAN(memory=str(tmp_path)).fit(X), HDBSCAN().fit(X)
    shutil.rmtree(tmp_path)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model):
        assert_same_fit(other, fresh)
        np.testing.assert_array_equal(other.predict(X + 0.1), fresh.predict(X + 0.1))
        assert_same_fit(other.recluster(min_cluster_size=9), fresh.recluster(min_cluster_size=9))


def test_missing_rows_elsewhere_are_another_tree(tmp_path, rng):
    X = blobs(rng, 120, 2)
    for row in (3, 50, 3):
        Y = np.insert(X, row, np.nan, axis=0)
        assert_same_fit(HDBSCAN(memory=str(tmp_path)).fit(Y), HDBSCAN().fit(Y))


def test_sparse_rows_of_other_width_are_told_apart(tmp_path, rng):
    X = sparse.csr_array(np.round(np.abs(blobs(rng, 60, 2))))
    wide = sparse.csr_array((X.data, X.indices, X.indptr), shape=(60, 5))
    for data in (X, wide):
        kept = HDBSCAN(metric="manhattan", memory=str(tmp_path)).fit(data)
        assert kept.n_features_in_ == data.shape[1]
    assert len(list(tmp_path.iterdir())) == 4


def test_folder_keeps_arrays_of_any_shape(tmp_path):
    arrays = (
        np.arange(3),
        np.zeros((0, 2), dtype=np.intp),
        np.array([np.nan, np.inf]),
        np.empty(0),
    )
    cached = TreeFolder(tmp_path).cache(lambda key, *, arguments: arrays, ignore=["arguments"])
    for _ in range(2):
        for found, array in zip(cached("k", arguments=None), arrays, strict=True):
            np.testing.assert_array_equal(found, array)
            assert found.shape == array.shape
            assert found.dtype == array.dtype


# ------------------------------------------------------------------------------- condensed trees


@pytest.mark.parametrize("few", [1, 2, 10**6])
def test_either_way_of_ordering_siblings_gives_one_tree(few, monkeypatch, rng):
    X = rng.integers(0, 15, size=(800, 2)).astype(float)  # many clusters are born at one level
    expected = HDBSCAN(2, min_samples=1).fit(X)
    births = np.unique(expected.condensed_tree_.birth, return_counts=True)[1]
    assert births.max() > _condensed_tree.FEW
    monkeypatch.setattr(_condensed_tree, "FEW", few)
    assert_same_fit(HDBSCAN(2, min_samples=1).fit(X), expected)


def test_what_is_asked_for_later_is_computed_once(rng):
    model = HDBSCAN().fit(blobs(rng, 100, 2))
    for name in (*FITTED, "exemplar_indices_"):
        assert getattr(model, name) is getattr(model, name)


def test_labels_changed_by_the_caller_change_nothing_that_is_computed_later(rng):
    X = blobs(rng, 200, 2)
    expected, model = HDBSCAN().fit(X), HDBSCAN().fit(X)
    model.labels_[model.labels_ < 0] = 10**9
    for name in ("probabilities_", "outlier_scores_", "cluster_persistence_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))
    assert -1 <= model.relative_validity_ <= 1
