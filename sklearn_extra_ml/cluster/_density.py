"""Density clusters by a k-d tree: core points, their components, border points.

Three passes over the tree (`_native._dbscan`), each parallel, in O(n) memory whatever eps is. What
makes the labels equal to scikit-learn's bit for bit is `Rule`: how two points are decided to be
within eps, and which pairs scikit-learn itself decides by where its own tree's nodes end. Those
are rare (a distance one rounding away from eps: data on a decimal grid), and seldom change a
label; `cluster_by_tree` finds out, and returns None when they do.
"""

import math
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from .._core._spatial import SpatialIndex
from .._native import _dbscan, _kd_tree

LEAF_SIZE = 2 * _kd_tree.TILE
NARROW_FEATURES = 6  # from here on, distances cost more than walking
SPARSE_CORE = 0.7  # share of core points up to which they get a tree of their own, there
_EPS = np.finfo(np.float64).eps / 2  # unit roundoff


class Clusters(NamedTuple):
    """Density clusters: `is_core` (n,) bool, `labels` (n,) intp with -1 for noise."""

    is_core: np.ndarray
    labels: np.ndarray


class Rule(NamedTuple):
    """When two points are within eps, on reduced distances (squares, sums of powers).

    A pair whose reduced distance is at most `reduced` is within eps. Up to `sure` and beyond
    `possible` every way of rounding agrees; in between, scikit-learn's answer may be another:
    always (`always`), or if the reduced and the plain distance compare differently with eps.
    """

    eps: float
    reduced: float
    sure: float
    possible: float
    always: bool

    def exactly(self, reduced):
        """Return the rule that takes `reduced` as the bound and knows no doubt."""
        return self._replace(reduced=reduced, sure=reduced, possible=reduced)


class TreeMetric(NamedTuple):
    """A metric that the tree knows: its name there, and the exponent of "minkowski"."""

    name: str
    p: float


def _reduce(distance, metric):
    if metric.name == "euclidean":
        return distance * distance
    return math.pow(distance, metric.p) if metric.name == "minkowski" else distance


def make_rule(eps, metric, method, X, *, is_gemm):
    """Return the `Rule` under which scikit-learn compares with eps, None if it has no safe range.

    Parameters
    ----------
    eps : float
    metric : TreeMetric
    method : {"kd_tree", "ball_tree", "brute"}
        The search that scikit-learn would use.
    X : ndarray of shape (n, n_features)
        The rows, as the caller gave them.
    is_gemm : bool
        Whether brute force takes scikit-learn's Euclidean kernel. Its other kernels round the
        differences of float32 rows to float32.
    """
    n_features = X.shape[1]
    eps = float(eps)
    # Beyond single precision scikit-learn compares infinities and zeros; there we do not follow.
    narrow = method == "brute" and X.dtype == np.float32 and 1e-30 < _reduce(eps, metric) < 1e37
    eps = float(np.float32(eps)) if narrow else eps
    reduced = _reduce(eps, metric)
    if narrow:
        reduced = float(np.float32(reduced))
    if not 1e-280 < reduced < 1e280:
        return None
    if narrow and not is_gemm:
        slack = (metric.p + 2) * np.finfo(np.float32).eps
        return Rule(eps, reduced, reduced * (1 - slack), reduced * (1 + slack), True)
    if method == "ball_tree":
        # Bounds of balls are differences of distances as long as the data are wide.
        extent = float((X.max(axis=0).astype(np.float64) - X.min(axis=0)).sum())
        slack = 8 * (n_features + 4) * _EPS * (1 + extent / eps)
        if not slack < 0.5:
            return None
        sure, possible = _reduce(eps * (1 - slack), metric), _reduce(eps * (1 + slack), metric)
        return Rule(eps, reduced, sure, possible, True)
    if method == "kd_tree" and metric.name in ("euclidean", "minkowski"):
        slack = (4 if metric.name == "euclidean" else 8 * (metric.p + 1)) * 2 * _EPS
        return Rule(eps, reduced, reduced * (1 - slack), reduced * (1 + slack), False)
    # Sums and maxima round monotonically: every bound of theirs agrees with every distance.
    return Rule(eps, reduced, reduced, reduced, False)


def make_mapped_rule(eps, name, n_features, dtype):
    """Return the `Rule` among rows that `Metric.embed` maps to points of the unit sphere, or None.

    What scikit-learn computes (a matrix product for "cosine", in float32 for float32 rows; the
    haversine formula and differences of angles in a ball tree) is off by some roundings of numbers
    up to 2 and up to pi: pairs so close to eps are in doubt.
    """
    if name == "cosine":
        slack = 4 * (n_features + 16) * float(np.finfo(dtype).eps)
        reduced, sure, possible = 2 * eps, 2 * eps - slack, 2 * eps + slack
    else:
        slack = 512 * float(np.finfo(np.float64).eps)
        if not slack < eps < 3.0:  # near pi angles lose half their digits
            return None
        reduced, sure, possible = (
            4 * math.sin(angle / 2) ** 2 for angle in (eps, eps - slack, eps + slack)
        )
    return Rule(math.sqrt(reduced), reduced, sure, possible, True) if sure > 0 else None


def grow_tree(X, metric, n_threads):
    """Return the tree of the rows of `X` as they are: shifted ones would round differently."""
    X = np.ascontiguousarray(X, dtype=np.float64)
    index = SpatialIndex(
        X, metric=metric.name, p=metric.p, center=False, leaf_size=LEAF_SIZE, n_threads=n_threads
    )
    return index.tree


def tree_metric(tree):
    """Return the `TreeMetric` of a tree."""
    name = next(name for name, code in _kd_tree.METRICS.items() if code == tree.metric)
    return TreeMetric(name, tree.p)


class Narrow(NamedTuple):
    """The float32 filter of many-dimensional trees: see `sem_dbscan.h`.

    `tiles` are the points less `center`, in units of eps; pairs whose squared distance is at most
    `sure` are within eps, beyond `possible` they are not, whatever float32 rounded.
    """

    tiles: np.ndarray
    sure: float
    possible: float
    center: np.ndarray


def make_narrow(tree, rule, n_threads, queries=None):
    """Return the `Narrow` of a tree, None where it would not pay or not exclude enough.

    A coordinate is off by half a step of float32 at the data's half width, a difference by twice
    that and its own rounding; the sum adds a step per feature.
    """
    n_features = tree.n_features
    if tree.metric != _kd_tree.METRICS["euclidean"] or n_features < NARROW_FEATURES:
        return None
    box = np.empty((2, n_features))
    _dbscan.root_box(tree, box)
    center = box[0] / 2 + box[1] / 2
    reach = box[1] - center
    if queries is not None:
        _dbscan.root_box(queries, box)
        reach = np.maximum(reach, np.abs(box - center).max(axis=0))
    step = float(np.finfo(np.float32).eps)
    off = 2 * step * float(np.linalg.norm(reach / rule.eps)) + (n_features + 8) * step
    if not off < 0.05:
        return None
    sure, possible = (
        math.sqrt(rule.sure) / rule.eps - off,
        math.sqrt(rule.possible) / rule.eps + off,
    )
    tiles = narrow_tiles(tree, center, rule, n_threads)
    return Narrow(tiles, max(sure, 0.0) ** 2, possible**2, center)


def narrow_tiles(tree, center, rule, n_threads):
    """Return the float32 tiles of a tree for a `Narrow` about `center`."""
    tiles = np.empty(_n_tiles(tree) * _kd_tree.TILE * tree.n_features, dtype=np.float32)
    _dbscan.narrow_tiles(tree, center, rule.eps, tiles, n_threads)
    return tiles


def _n_tiles(tree):
    return -(-tree.n_points // _kd_tree.TILE)


def _bits_to_rows(bits, tree):
    """Return, for a bit per position, a bool per row."""
    flags = np.unpackbits(bits.astype("<u2").view(np.uint8), bitorder="little")
    rows = np.empty(tree.n_points, dtype=np.intp)
    _dbscan.rows_of_positions(tree, rows)
    out = np.empty(tree.n_points, dtype=bool)
    out[rows] = flags[: tree.n_points]
    return out


def _rows_to_bits(flags, tree):
    """Return, for a bool per row, a bit per position (as `uint16` per tile)."""
    rows = np.empty(tree.n_points, dtype=np.intp)
    _dbscan.rows_of_positions(tree, rows)
    padded = np.zeros(_n_tiles(tree) * _kd_tree.TILE, dtype=np.uint8)
    padded[: tree.n_points] = flags[rows]
    return np.packbits(padded, bitorder="little").view("<u2").astype(np.uint16)


def _all_lanes(tree):
    """Return the bits of every position."""
    bits = np.full(_n_tiles(tree), 0xFFFF, dtype=np.uint16)
    if tree.n_points % _kd_tree.TILE:
        bits[-1] = (1 << tree.n_points % _kd_tree.TILE) - 1
    return bits


class Weights(NamedTuple):
    """Sample weights in tree order, and how far two ways of summing them can differ."""

    values: np.ndarray | None
    tolerance: float
    is_signed: bool


def order_weights(tree, sample_weight):
    """Return the `Weights` of a tree. Sums of multiples of a power of two need no rounding."""
    if sample_weight is None:
        return Weights(None, 0.0, False)
    weight = np.ascontiguousarray(sample_weight, dtype=np.float64)
    values = np.empty(tree.n_points)
    _dbscan.rows_to_positions(tree, weight, values)
    info = np.finfo(sample_weight.dtype)
    total = np.abs(weight).sum()
    tolerance = 64 * float(info.eps) + 4 * tree.n_points * _EPS
    for scale in (1.0, 2.0**10, 2.0**20):
        if total < 2.0**info.nmant / scale and np.array_equal(
            weight * scale, np.rint(weight * scale)
        ):
            tolerance = 0.0
            break
    return Weights(values, tolerance, bool(np.any(weight < 0)))


def _tight_nodes(tree, rule):
    tight = np.empty(tree.n_nodes, dtype=np.uint8)
    _dbscan.mark_tight_nodes(tree, rule.sure, tight)
    return tight


def _find_core(tree, shared, min_samples, weights, is_core_row, n_threads):
    """Pass 1: return the bits of the core points, and whether a doubtful pair was met."""
    core, undecided = (np.empty(_n_tiles(tree), dtype=np.uint16) for _ in range(2))
    doubt = _dbscan.count_core_points(
        *shared,
        weights.values,
        float(min_samples),
        weights.tolerance,
        weights.is_signed,
        core,
        undecided,
        n_threads,
    )
    if undecided.any():
        rows = np.flatnonzero(_bits_to_rows(undecided, tree))
        chosen = np.zeros(tree.n_points, dtype=bool)
        chosen[rows] = is_core_row(rows)
        core |= _rows_to_bits(chosen, tree)
    return core, doubt


def _link_core(tree, shared, core, n_threads):
    """Pass 2: return labels by row (-1 but for core points) and by position, and the doubt."""
    parent = np.empty(tree.n_points, dtype=np.int32)
    doubt = _dbscan.link_core_points(*shared, core, parent, n_threads)
    labels = np.empty(tree.n_points, dtype=np.intp)
    position_labels = np.empty(tree.n_points, dtype=np.int32)
    _dbscan.number_components(tree, core, parent, labels, position_labels)
    return labels, position_labels, doubt


def _pass_over(tree, X, rule, min_samples, weights, is_core_row, n_threads, stage):
    """Run the three passes. Returns the `Clusters`, and whether a doubtful pair was met."""
    narrow = make_narrow(tree, rule, n_threads)
    shared = (tree, rule, narrow, _tight_nodes(tree, rule))
    with stage("core points"):
        core, doubt = _find_core(tree, shared, min_samples, weights, is_core_row, n_threads)
    is_core = _bits_to_rows(core, tree)
    wanted = _all_lanes(tree) & ~core
    among, rows = tree, slice(None)
    with stage("components"):
        if narrow is not None and 0 < is_core.mean() < SPARSE_CORE:
            # Distances are the work, and those to other points are of no use from here on.
            rows = np.flatnonzero(is_core)
            among = grow_tree(X[rows], tree_metric(tree), n_threads)
            narrow = make_narrow(among, rule, n_threads, tree)
            shared = (among, rule, narrow, _tight_nodes(among, rule))
            core = _all_lanes(among)
        found, position_labels, doubtful = _link_core(among, shared, core, n_threads)
        labels = np.full(tree.n_points, -1, dtype=np.intp)
        labels[rows] = found
    with stage("border points"):
        tiles = narrow and (
            narrow.tiles if among is tree else narrow_tiles(tree, narrow.center, rule, n_threads)
        )
        doubtful |= _dbscan.label_queries(
            *shared, core, position_labels, tree, tiles, wanted, labels, n_threads
        )
    return Clusters(is_core, labels), doubt | doubtful


def cluster_by_tree(
    tree,
    X,
    rule,
    min_samples,
    sample_weight=None,
    *,
    is_core_row=None,
    n_threads=1,
    stage=nullcontext,
):
    """Return the density `Clusters` of the points of a tree, None where only scikit-learn can tell.

    Time O(n log n) for low-dimensional data, at worst O(n^2 d); memory O(n) beside the tree.

    Parameters
    ----------
    tree : KDTree
        Of `X`, by `grow_tree`.
    X : ndarray of shape (n, d)
    rule : Rule
    min_samples : int
    sample_weight : ndarray of shape (n,), default=None
    is_core_row : callable
        Maps rows whose weights add up to `min_samples` but for rounding to bools: are they core?
    n_threads : int
    stage : callable
        Maps the name of a stage to the context manager that it runs in.

    Returns
    -------
    Clusters or None
        None when pairs at eps up to rounding decide some label.
    """
    weights = order_weights(tree, sample_weight)
    arguments = (min_samples, weights, is_core_row, n_threads)
    found, doubt = _pass_over(tree, X, rule, *arguments, stage)
    if not doubt:
        return found
    if weights.is_signed:
        return None
    # More neighbours make more core points and join more of them: if the fewest and the most
    # neighbours that any rounding allows give the same labels, so does every rounding.
    fewest, most = (
        _pass_over(tree, X, rule.exactly(bound), *arguments, nullcontext)[0]
        for bound in (rule.sure, rule.possible)
    )
    same = np.array_equal(fewest.is_core, most.is_core) and np.array_equal(
        fewest.labels, most.labels
    )
    return found if same else None


def label_new_points(core_points, core_labels, X, rule, metric, n_threads):
    """Return for each row of `X` the lowest label of a core point within eps, else -1.

    `core_points` is (n_core, d), `core_labels` (n_core,).
    """
    tree, queries = (grow_tree(points, metric, n_threads) for points in (core_points, X))
    position_labels = np.empty(tree.n_points)
    _dbscan.rows_to_positions(tree, core_labels.astype(np.float64), position_labels)
    labels = np.empty(queries.n_points, dtype=np.intp)
    narrow = make_narrow(tree, rule, n_threads, queries)
    _dbscan.label_queries(
        tree,
        rule,
        narrow,
        _tight_nodes(tree, rule),
        _all_lanes(tree),
        position_labels.astype(np.int32),
        queries,
        narrow and narrow_tiles(queries, narrow.center, rule, n_threads),
        _all_lanes(queries),
        labels,
        n_threads,
    )
    return labels


def distances_to_clusters(core_points, core_labels, n_clusters, X, metric, n_threads):
    """Return the distance of each row of `X` to the nearest core point of each cluster."""
    out = np.empty((len(X), n_clusters))
    queries = grow_tree(X, metric, n_threads)
    order = np.argsort(core_labels, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(core_labels, minlength=n_clusters))[:-1])
    reduced, position = np.empty((len(X), 1)), np.empty((len(X), 1), dtype=np.int32)
    distance, row = np.empty((len(X), 1)), np.empty((len(X), 1), dtype=np.intp)
    for label in range(n_clusters):
        tree = grow_tree(core_points[groups[label]], metric, n_threads)
        _kd_tree.knn_positions(queries, tree, reduced, position, 0, _n_tiles(queries), n_threads)
        _kd_tree.rows_of_knn(queries, tree, reduced, position, distance, row, n_threads)
        out[:, label] = distance[:, 0]
    return out
