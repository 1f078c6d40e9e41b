"""
Which sampler copies a table best?
==================================

A sampler can go wrong in many ways: it repeats the rows that it learnt from, forgets a group, shrinks
the spread, lets columns lose touch with each other. No single number sees all of that. Here nine faults
are made by hand, one at a time, and nine measures are asked which of them they notice. Then six samplers
learn the same table, and the measures say what each of them gets wrong.

The table is simulated: the trips of a company that hires out bicycles. Commuters ride at rush hour,
tourists on warm afternoons, and one trip in twenty is a courier's. Speed suffers from the climb, and
duration follows from distance and speed.
"""

# %%
# A yardstick for the measures
# ----------------------------
# Two samples of *real* rows are not at distance 0 either. So there are three tables: rows to learn from,
# rows to judge by, and fresh rows, which stand for a perfect sampler. Many such draws tell the mean and
# the standard deviation that each measure has for perfect rows, and everything below is told in these
# units: 0 is as good as real rows, and above 3 a fault shows in a single table. (With one real table
# instead of a simulation, split it at random many times.)
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
from sklearn_extra_ml.metrics import (
    column_shapes,
    column_trends,
    coverage_score,
    distance_to_closest_record,
    energy_distance,
    frechet_distance,
    rbf_mmd,
    sliced_wasserstein_distance,
    train_on_synthetic_score,
)
from sklearn_extra_ml.neural_network import VAE, DiffusionModel

KINDS = ("commuter", "tourist", "courier")
COLUMNS = ("hour", "temperature", "distance", "climb", "speed", "duration")


def trips(n, rng):
    """Simulate n trips: six measurements each, and who was riding."""
    kind = rng.choice(3, size=n, p=(0.6, 0.35, 0.05))
    peak = rng.choice((8.0, 17.5), size=n)
    hour = np.choose(
        kind, (peak + 0.8 * rng.standard_normal(n), rng.normal(14, 2.5, n), rng.uniform(9, 20, n))
    )
    warmth = np.choose(kind, (10.0, 19.0, 12.0)) + 3 * np.sin((hour - 9) * np.pi / 12)
    temperature = warmth + 4 * rng.standard_normal(n)
    distance = np.choose(kind, (3.5, 5.5, 1.6)) * rng.lognormal(0, 0.3, size=n)
    climb = distance * rng.gamma(4, 3, size=n)
    speed = np.choose(kind, (17, 11, 23)) - 0.25 * climb / distance + 1.5 * rng.standard_normal(n)
    duration = 60 * distance / np.maximum(speed, 4)
    return np.stack((hour, temperature, distance, climb, speed, duration), axis=1), kind


scaler = StandardScaler().fit(trips(100_000, np.random.default_rng(0))[0])


def split(seed):
    """Return rows and kinds to learn from, to judge by, and of a perfect sampler."""
    rng = np.random.default_rng(seed)
    tables = [trips(1000, rng) for _ in range(3)]
    return [(scaler.transform(rows), kind) for rows, kind in tables]


def measure(drawn, learnt, judge):
    """Return nine measures of drawn rows, each the larger the worse."""
    learner = [GaussianDiscriminantAnalysis("tied")]
    taught = train_on_synthetic_score(*drawn, *learnt, *judge, estimators=learner)
    records = distance_to_closest_record(learnt[0], drawn[0], X_holdout=judge[0])
    real, rows = judge[0], drawn[0]
    return {
        "energy distance": energy_distance(real, rows),
        "MMD": rbf_mmd(real, rows, gamma=0.1),
        "sliced Wasserstein": sliced_wasserstein_distance(real, rows, n_projections=100),
        "Fréchet": frechet_distance(real, rows),
        "coverage": -coverage_score(real, rows),
        "column shapes": -column_shapes(real, rows).score,
        "column trends": -column_trends(real, rows).score,
        "teaches": -taught.synthetic.mean(),
        "closest record": records.share_nearer_train,
    }


perfect = []
for seed in range(20):
    learnt, judge, fresh = split(seed)
    perfect.append(list(measure(fresh, learnt, judge).values()))
center, spread = np.mean(perfect, axis=0), np.std(perfect, axis=0)
names = list(measure(fresh, learnt, judge))
for name, at, width in zip(names, center, spread, strict=True):
    print(f"{name:18s} {abs(at):7.4f} ± {width:.4f} for other real rows")

# %%
# Nine faults
# -----------
# Each line of the picture has one fault and is the mean of three draws. The rows learnt from, handed
# out as new ones, are perfect to every measure but the distance to the closest record: it asks whether
# a drawn row is nearer to a row that was learnt from than to one that was not. Wrong kinds show only in
# what the rows teach a classifier, for the six columns themselves are right. The distance of Fréchet
# takes a bell for perfect when mean and covariance are right. `column_shapes` does not see columns that
# have lost touch. Energy distance and MMD do not see one absurd row in thirty, and hardly that couriers
# are missing, which is what `coverage_score` is for.


def faulty(learnt, fresh, rng):
    """Return drawn rows by the fault that they have."""
    rows, classes = fresh
    n, d = rows.shape
    usual = np.flatnonzero(classes != KINDS.index("courier"))
    usual = np.concatenate((usual, rng.choice(usual, n - len(usual))))
    apart = rows.copy()
    for column, label in np.ndindex(d, len(KINDS)):
        own = np.flatnonzero(classes == label)
        apart[own, column] = rows[rng.permutation(own), column]
    middle = np.stack([rows[classes == label].mean(axis=0) for label in range(len(KINDS))])[classes]
    shifted = rows + 0.5 * (np.arange(d) == COLUMNS.index("temperature"))
    absurd = rows.copy()
    absurd[: n // 30] += 5 * rng.standard_normal((n // 30, d))
    noise = rng.standard_normal(rows.shape)
    noise = np.linalg.solve(np.linalg.cholesky(np.cov(noise.T)), (noise - noise.mean(axis=0)).T)
    bell = rows.mean(axis=0) + (np.linalg.cholesky(np.cov(rows.T)) @ noise).T
    wrong = np.where(rng.random(n) < 0.2, rng.integers(3, size=n), classes)
    return {
        "none: other real rows": fresh,
        "the rows learnt from, once each": learnt,
        "the same, a little noise added": (
            learnt[0] + 0.1 * rng.standard_normal((n, d)),
            learnt[1],
        ),
        "couriers forgotten (5 %)": (rows[usual], classes[usual]),
        "spread in a class 30 % too small": (middle + 0.7 * (rows - middle), classes),
        "temperature shifted by 0.5": (shifted, classes),
        "columns independent in a class": (apart, classes),
        "right mean and covariance, a bell": (bell, classes),
        "one row in 30 absurd": (absurd, classes),
        "one kind in 5 drawn at random": (rows, wrong),
    }


def above_perfect(drawn, learnt, judge):
    return (np.array(list(measure(drawn, learnt, judge).values())) - center) / spread


found = {}
for seed in range(3):
    learnt, judge, fresh = split(seed)
    for fault, drawn in faulty(learnt, fresh, np.random.default_rng(seed)).items():
        found.setdefault(fault, []).append(above_perfect(drawn, learnt, judge))
found = {fault: np.mean(values, axis=0) for fault, values in found.items()}


def draw_table(ax, table, title):
    """Draw values above perfect, one line for each fault or sampler."""
    values = np.array(list(table.values()))
    ax.imshow(values, cmap="Reds", vmin=0, vmax=8, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        noticed = value >= 3
        ax.text(
            j,
            i,
            f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}",
            ha="center",
            va="center",
            color="white" if value > 5 else "black" if noticed else "0.55",
            weight="bold" if noticed else "normal",
        )
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
    ax.set_yticks(range(len(table)), table)
    ax.set_title(title)


fig, ax = plt.subplots(figsize=(10, 5), layout="constrained")
draw_table(ax, found, "Standard deviations above perfect rows; bold: noticed (3 and more)")
plt.show()
for j, name in enumerate(names):
    blind = [fault for fault, values in found.items() if values[j] < 3][1:]
    print(f"{name:18s} misses {len(blind)}: {'; '.join(blind)}")
for size in range(1, 10):
    enough = [
        " + ".join(chosen)
        for chosen in combinations(names, size)
        if all(
            max(values[names.index(name)] for name in chosen) >= 3
            for values in list(found.values())[1:]
        )
    ]
    if enough:
        print(f"{size} measures together notice everything:", *enough, sep="\n   ")
        break

# %%
# Six samplers
# ------------
# Learnt rows drawn again; a Gaussian for each kind of rider; five of them; a kernel density; a
# variational autoencoder; a diffusion model. Kinds come as often as they were seen.


def drawn_by_kind(model, learnt, kinds, rng):
    """Return rows of one scikit-learn density for each kind."""
    rows = np.empty((len(kinds), learnt[0].shape[1]))
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        drawn = model.fit(learnt[0][learnt[1] == kind]).sample(len(own), **rng)
        rows[own] = drawn[0] if isinstance(drawn, tuple) else drawn
    return rows


learnt, judge, fresh = split(0)
n = len(learnt[0])
again = np.random.default_rng(0).integers(n, size=n)
kinds = learnt[1]
gaussians = GaussianMixture(5, reg_covar=1e-3, random_state=0)
kernels = KernelDensity(bandwidth=0.2)
one_each = GaussianDiscriminantAnalysis().fit(*learnt)
vae = VAE(4, max_iter=100, random_state=0).fit(*learnt)
diffusion = DiffusionModel(max_iter=220, random_state=0).fit(*learnt)
drawn = {
    "real rows": fresh,
    "learnt rows drawn again": (learnt[0][again], learnt[1][again]),
    "a Gaussian for each kind": one_each.sample(n, y=kinds, random_state=0),
    "five Gaussians for each": (drawn_by_kind(gaussians, learnt, kinds, {}), kinds),
    "KernelDensity": (drawn_by_kind(kernels, learnt, kinds, {"random_state": 0}), kinds),
    "VAE": (vae.sample(n, y=kinds, random_state=0), kinds),
    "DiffusionModel": (diffusion.sample(n, y=kinds, random_state=0), kinds),
}
judged = {name: above_perfect(table, learnt, judge) for name, table in drawn.items()}

fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, (rows, kind)) in zip(axes.flat, drawn.items(), strict=False):
    hour, *_, speed, _ = scaler.inverse_transform(rows).T
    for i, label in enumerate(KINDS):
        ax.plot(hour[kind == i], speed[kind == i], ".", markersize=2, color=f"C{i}", label=label)
    ax.set_title(name, fontsize="medium")
axes[0, 0].set(xlim=(4, 23), ylim=(0, 28))
fig.supxlabel("hour")
fig.supylabel("speed (km/h)")
axes[1, 3].axis("off")
axes[1, 3].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", markerscale=6)
plt.show()

# %%
# On the picture of two columns the rush hours run together where one Gaussian, or the code of the
# autoencoder, cannot hold them apart. That the first sampler repeats what it learnt, and that the kernel
# density hardly moves away from it, no picture shows, but the closest records do. (Its bandwidth can be
# raised; then it blurs.)
fig, ax = plt.subplots(figsize=(10, 3.8), layout="constrained")
draw_table(ax, judged, "The samplers, in the same units")
plt.show()
for name, values in judged.items():
    seen = [f"{names[j]} {values[j]:.0f}" for j in np.argsort(-values) if values[j] >= 3]
    print(f"{name:25s} noticed: {', '.join(seen) or 'nothing'}")
