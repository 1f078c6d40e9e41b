"""
Is this clustering any good? Two scores that need no labels
===========================================================

Ferries report where they are. Four lines are to be found in the reports, among those of other ships: a
round trip, one inside it, one along the coast and one in the east. None of them is round, so the usual
score of a clustering, the silhouette, asks the wrong question. The density-based validity
(:func:`~sklearn_extra_ml.metrics.dbcv_score`, DBCV) asks another: is a cluster denser at its thinnest
place than what lies between it and the next? Here both judge the same clusterings, and as the lines are
known, one sees when they are right. DBCV is not always.
"""

# %%
# The reports
# -----------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score, silhouette_score

from sklearn_extra_ml.cluster import HDBSCAN, KMeans
from sklearn_extra_ml.metrics import dbcv_score


def reports(rng):
    """Simulate positions (km) on four lines, and the line of each; -1 for other ships."""
    around, inside, coast, east = (rng.random(n) for n in (500, 350, 300, 250))
    paths = [
        np.stack((4 * np.cos(2 * np.pi * around), 3 * np.sin(2 * np.pi * around)), axis=1),
        np.stack((3.2 * inside - 1.6, 0.8 * np.sin(2 * np.pi * inside)), axis=1),
        np.stack((12 * coast - 6, 4.6 + 0.5 * np.cos(6 * coast)), axis=1),
        np.stack((5.8 + 0.6 * np.sin(5 * east), 7 * east - 4), axis=1),
    ]
    line = np.repeat(np.arange(4), [len(path) for path in paths])
    on_line = np.concatenate(paths) + 0.06 * rng.standard_normal((len(line), 2))
    others = rng.uniform((-7, -5), (7, 6.5), size=(80, 2))
    return np.concatenate((on_line, others)), np.append(line, np.full(len(others), -1))


X, line = reports(np.random.default_rng(1))

# %%
# Clusters that follow the shape, and clusters that cut it
# --------------------------------------------------------
# The silhouette compares distances to the rows of one's own cluster with those to the next, and likes
# a ring best in pieces: of all clusterings tried here it chooses the one on the left, the most pieces it
# could have. DBCV looks along the chain of near neighbours that holds a cluster together, and rates
# everything that cuts through a line below 0.
sizes = [5, 10, 20, 40, 80, 160]
labels = {f"KMeans({k})": KMeans(k, n_init=3, random_state=0).fit_predict(X) for k in range(2, 15)}
for n in sizes:
    labels[f"HDBSCAN({n})"] = HDBSCAN(min_cluster_size=n, min_samples=5).fit_predict(X)


def judge(found):
    """Return silhouette (of the rows in clusters), DBCV, and agreement with the lines."""
    own = found >= 0
    return (
        silhouette_score(X[own], found[own]),
        dbcv_score(X, found),
        adjusted_rand_score(line, found),
    )


scores = {name: judge(found) for name, found in labels.items()}
best = [max(scores, key=lambda name: scores[name][i]) for i in range(3)]
print("                     silhouette   DBCV  adjusted Rand index")
for name in (*dict.fromkeys(best), "truth"):
    values = scores[name] if name in scores else judge(line)
    print(f"{name:20s} {values[0]:10.2f} {values[1]:6.2f} {values[2]:6.2f}")

figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
reasons = ("highest silhouette", "highest DBCV", "nearest to the lines")
for ax, name, reason in zip(axes, best, reasons, strict=True):
    found = labels[name]
    ax.scatter(*X[found < 0].T, s=3, color="0.75")
    ax.scatter(*X[found >= 0].T, s=3, c=found[found >= 0] * 7 % 20, cmap="tab20", vmin=0, vmax=19)
    ax.set_title(f"{reason}: {name}\n{found.max() + 1} clusters", fontsize="medium")
    ax.set(xticks=[], yticks=[], aspect="equal")
plt.show()

# %%
# When DBCV is wrong
# ------------------
# Each point on the left is a clustering: those that are right have the lowest silhouette. In the middle
# DBCV tells both methods apart, but among the clusterings by density it is highest for splinters: dozens
# of short, dense pieces with gaps for noise between them. It cannot know that they are pieces of one
# thing. You can: leave out every `min_cluster_size` that you would not call a cluster, and compare the
# others.
#
# And the thinnest place decides, which a single row can make. On the right the true lines take in the
# other ships, the nearest first. For long the score stays what it was; then it falls in steps, while
# hardly a row has changed its cluster. So a clustering that is right but for some noise in it may score
# below 0, as the best one here does. Compare scores; their size says little.
from_lines = np.linalg.norm(X[line < 0, None] - X[line >= 0], axis=2)
strays, order = np.flatnonzero(line < 0), np.argsort(from_lines.min(axis=1))
n_taken = np.arange(len(strays) + 1)
with_strays = []
for n in n_taken:
    taken = line.copy()
    taken[strays[order[:n]]] = line[line >= 0][from_lines.argmin(axis=1)[order[:n]]]
    with_strays.append((dbcv_score(X, taken), adjusted_rand_score(line, taken)))
with_strays = np.array(with_strays)
step = int(np.argmin(np.diff(with_strays[:, 0])))
for n in (0, step, step + 1, len(strays)):
    dbcv, rand = with_strays[n]
    print(f"{n:2d} strays in the lines: DBCV {dbcv:5.2f}, adjusted Rand index {rand:.2f}")

figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
for i, (ax, score) in enumerate(zip(axes, ("silhouette", "DBCV"), strict=False)):
    for kind, color in (("KMeans", "C1"), ("HDBSCAN", "C0")):
        own = np.array([values for name, values in scores.items() if name.startswith(kind)])
        ax.scatter(own[:, 2], own[:, i], color=color, label=kind, alpha=0.7)
    ax.axhline(judge(line)[i], color="0.5", linestyle="--", label="the true lines")
    ax.set(xlabel="adjusted Rand index with the lines", ylabel=score, xlim=(0, 1))
axes[0].legend(loc=(0.04, 0.12))
axes[2].plot(n_taken, with_strays[:, 0], "o-", markersize=3, label="DBCV")
axes[2].plot(n_taken, with_strays[:, 1], "o-", markersize=3, label="adjusted Rand index")
axes[2].set(xlabel="strays taken into the true lines", ylim=(-0.5, 1.05))
axes[2].legend()
plt.show()

# %%
# Where clusters touch there is no thinner place between them, and DBCV takes what is true for a
# mistake. Two of the three species of iris overlap:
iris, species = load_iris(return_X_y=True)
print(f"three species {dbcv_score(iris, species):5.2f}")
print(f"two groups    {dbcv_score(iris, np.minimum(species, 1)):5.2f}")
