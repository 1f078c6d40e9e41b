"""HDBSCAN as the papers define it, in plain Python: components of the graph at every level.

Slow on purpose: all pairs, sets of rows, no spanning tree. Equal weights are added together.
"""

import itertools
import math

import numpy as np


def distances(X, metric="euclidean", p=2.0):
    """All distances, one pair after the other, features in order."""
    n = len(X)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            gaps = [abs(float(a) - float(b)) for a, b in zip(X[i], X[j], strict=True)]
            out[i, j] = out[j, i] = {
                "euclidean": lambda g: math.sqrt(sum_in_order(v * v for v in g)),
                "manhattan": sum_in_order,
                "chebyshev": max,
                "minkowski": lambda g: sum_in_order(v**p for v in g) ** (1.0 / p),
            }[metric](gaps)
    return out


def sum_in_order(values):
    total = 0.0
    for value in values:
        total += value
    return total


def mutual_reachability(D, min_samples, alpha=1.0):
    core = np.sort(D, axis=1)[:, min_samples - 1]
    return np.maximum(np.maximum(core[:, None], core[None]), D / alpha)


def spanning_tree_weights(R):
    """Weights of a minimum spanning tree of a dense matrix, sorted (Prim)."""
    best, weights = R[0].copy(), []
    outside = np.arange(len(R)) > 0
    while outside.any():
        nearest = np.flatnonzero(outside)[np.argmin(best[outside])]
        weights.append(best[nearest])
        outside[nearest] = False
        best = np.minimum(best, R[nearest])
    return np.sort(weights)


def dendrogram(R):
    """Nodes as (level, children, rows), children earlier nodes; rows are the first nodes."""
    n = len(R)
    nodes = [(0.0, (), frozenset([i])) for i in range(n)]
    node_of = list(range(n))
    rows, columns = np.triu_indices(n, 1)
    weights = R[rows, columns]
    for level in np.unique(weights):
        groups = []
        for i, j in zip(rows[weights == level], columns[weights == level], strict=True):
            joined = {node_of[i], node_of[j]}
            apart = [group for group in groups if not group & joined]
            for group in groups:
                if group & joined:
                    joined |= group
            groups = [*apart, joined]
        for group in groups:
            if len(group) > 1:
                members = frozenset().union(*(nodes[c][2] for c in group))
                nodes.append((float(level), tuple(sorted(group)), members))
                for i in members:
                    node_of[i] = len(nodes) - 1
    return nodes


class Cluster:
    def __init__(self, parent, birth, rows):
        self.parent, self.birth, self.rows, self.children = parent, birth, rows, []
        self.leaving = []  # (level, rows that leave), from the top down


def condense(nodes, min_cluster_size):
    """Clusters, parents first, and (cluster, level) at which each row leaves."""
    root = Cluster(None, math.inf, nodes[-1][2])
    clusters, left = [root], {}
    todo = [(len(nodes) - 1, root)]
    while todo:
        node, cluster = todo.pop()
        level, children, rows = nodes[node]
        big = [c for c in children if len(nodes[c][2]) >= min_cluster_size]
        stay = nodes[big[0]][2] if len(big) == 1 else frozenset()
        cluster.leaving.append((level, len(rows) - len(stay)))
        for child in children:
            if child not in big:
                for row in nodes[child][2]:
                    left[row] = (cluster, level)
        if len(big) == 1:
            todo.append((big[0], cluster))
        else:
            for child in big:
                new = Cluster(cluster, level, nodes[child][2])
                cluster.children.append(new)
                clusters.append(new)
                todo.append((child, new))
    return clusters, left


def density(level):
    return 1.0 / max(level, 1e-280)


def stability(cluster):
    birth = density(cluster.birth) if cluster.parent else 0.0
    return sum_in_order((density(level) - birth) * n for level, n in cluster.leaving)


def below(cluster):
    todo, out = list(cluster.children), []
    while todo:
        out.append(todo.pop())
        todo.extend(out[-1].children)
    return out


def select(clusters, method, epsilon, max_cluster_size, allow_single_cluster, epsilon_max=math.inf):
    root = clusters[0]
    if method == "leaf":
        chosen = {c for c in clusters if not c.children}
        if not allow_single_cluster:
            chosen.discard(root)
    else:
        chosen = excess_of_mass(clusters, max_cluster_size, allow_single_cluster, epsilon_max)
    if epsilon > 0 and chosen != {root}:
        chosen = {climb(c, root, epsilon, allow_single_cluster) for c in chosen}
        if root in chosen:
            chosen = {root}
    return chosen


def excess_of_mass(clusters, max_cluster_size, allow_single_cluster, epsilon_max):
    root, chosen, best = clusters[0], set(), {}
    for cluster in reversed(clusters):
        if cluster is root and not allow_single_cluster:
            break
        inside = math.fsum(best[c] for c in cluster.children)
        size, birth = len(cluster.rows), cluster.birth
        if cluster is root:
            size, birth = sum(len(c.rows) for c in root.children), root.leaving[0][0]
        too_large = size > (max_cluster_size or math.inf) or birth > epsilon_max
        if inside > stability(cluster) or too_large:
            best[cluster] = inside
        else:
            best[cluster] = stability(cluster)
            chosen -= set(below(cluster))
            chosen.add(cluster)
    return chosen


def simplify(clusters, left, persistence):
    """Undo splits of which fewer than two parts persist, from the bottom up."""
    peak = {}
    for cluster in reversed(clusters):
        levels = [cluster.leaving[-1][0], *(peak[c] for c in cluster.children)]
        peak[cluster] = min(levels)
    for cluster in reversed(clusters):
        parts = cluster.children
        if not parts:
            continue
        at = parts[0].birth
        lasting = [c for c in parts if density(peak[c]) - density(at) >= persistence]
        main = min(parts, key=lambda c: peak[c])
        if len(lasting) >= 2:
            gone, cluster.children = [c for c in parts if c not in lasting], lasting
            for row, (where, _) in list(left.items()):
                if where in gone:
                    left[row] = cluster, at
        else:
            gone, cluster.children = parts, main.children
            for child in main.children:
                child.parent = cluster
            for row, (where, level) in list(left.items()):
                if where in gone:
                    keeps = where is main or not main.children
                    left[row] = cluster, level if keeps else at
        clusters = [c for c in clusters if c not in gone]
    for cluster in clusters:
        levels = [level for where, level in left.values() if where is cluster]
        levels += [c.birth for c in cluster.children for _ in c.rows]
        cluster.leaving = [(level, 1) for level in sorted(levels, reverse=True)]
    return clusters, left


def most_stable(clusters, n_clusters, allowed):
    """The best `n_clusters` of the allowed clusters, none inside another, by trying all."""
    best, chosen = -math.inf, set()
    for some in itertools.combinations([c for c in clusters if allowed(c)], n_clusters):
        inside = {d for c in some for d in below(c)}
        total = math.fsum(stability(c) for c in some)
        if total > best and not inside & set(some):
            best, chosen = total, set(some)
    return chosen


def climb(cluster, root, epsilon, allow_single_cluster):
    if cluster is root or cluster.birth >= epsilon:
        return cluster
    while True:
        parent = cluster.parent
        if parent is root:
            return root if allow_single_cluster else cluster
        if parent.birth > epsilon:
            return parent
        cluster = parent


def hdbscan(
    R,
    X=None,
    min_cluster_size=5,
    method="eom",
    epsilon=0.0,
    max_cluster_size=None,
    allow_single_cluster=False,
    epsilon_max=math.inf,
    persistence=0.0,
    n_clusters=None,
):
    """Labels and probabilities for a matrix of mutual reachability; `X` numbers the clusters."""
    clusters, left = condense(dendrogram(R), min_cluster_size)
    if persistence > 0:
        clusters, left = simplify(clusters, left, persistence)
    root = clusters[0]
    if n_clusters is not None:
        chosen = most_stable(
            clusters, n_clusters, lambda c: c is not root and (method == "eom" or not c.children)
        )
    else:
        chosen = select(
            clusters, method, epsilon, max_cluster_size, allow_single_cluster, epsilon_max
        )
    members = {c: [] for c in chosen}
    strength = np.zeros(len(R))
    for row in range(len(R)):
        cluster, level = left[row]
        while cluster is not None and cluster not in chosen:
            cluster = cluster.parent
        if cluster is None:
            continue
        last = cluster.leaving[-1][0]
        if cluster is root and level > (epsilon if epsilon > 0 else last):
            continue
        members[cluster].append(row)
        densest = density(last)
        strength[row] = 1.0 if math.isinf(last) else min(density(level), densest) / densest
    order = sorted(
        (c for c in chosen if members[c]),
        key=lambda c: min((tuple(X[i]) if X is not None else (), i) for i in members[c]),
    )
    labels = np.full(len(R), -1)
    for label, cluster in enumerate(order):
        labels[members[cluster]] = label
    return labels, strength
