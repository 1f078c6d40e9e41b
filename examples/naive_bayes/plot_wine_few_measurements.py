"""
A bottle of which only some things were measured
================================================

A laboratory tells by thirteen measurements which of three growers a wine comes from. What comes in later
are bottles with a few of the thirteen, and not the same few. There are 8,191 choices of some of thirteen
columns, too many for a classifier each. A naive Bayes classifier is all of them at once: columns that
were not measured are left out of a sum.

On the way: which naive Bayes is right for numbers? `GaussianNB` takes them for normal within each class.
`CategoricalNB` takes no shape for granted, but needs bins. `MixedNB` lets each column have its own kind.
"""

# %%
# Three ways to describe a number
# -------------------------------
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import lognorm, norm
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.naive_bayes import CategoricalNB, GaussianNB, MixedNB

X, y = load_wine(return_X_y=True, as_frame=True)
N_BINS = 6


class Bins(TransformerMixin, BaseEstimator):
    """Codes of bins that hold equally many rows each; what is missing stays missing."""

    def fit(self, X, y=None):
        self.edges_ = np.nanquantile(X, np.arange(1, N_BINS) / N_BINS, axis=0).T
        return self

    def transform(self, X):
        X = np.asarray(X)
        columns = zip(self.edges_, X.T, strict=True)
        codes = np.stack([np.searchsorted(edges, column) for edges, column in columns], axis=1)
        return np.where(np.isnan(X), np.nan, codes)


naive = {
    "GaussianNB": GaussianNB(missing="ignore"),
    "GaussianNB, smoothed by column": GaussianNB(
        missing="ignore", smoothing_scale="feature", var_smoothing=0.1
    ),
    "MixedNB, log-normal": MixedNB("lognormal", missing="ignore"),
    f"CategoricalNB, {N_BINS} bins": make_pipeline(
        Bins(), CategoricalNB(missing="ignore", min_categories=N_BINS)
    ),
}
discriminative = make_pipeline(StandardScaler(), LogisticRegression())

# %%
# Malic acid in the wines of one grower is not spread evenly around a mean. The curves below are what
# each model takes its density to be, the bars what is in the table.
column, grower = "malic_acid", 1
own = X[column][y == grower]
grid = np.linspace(0.5, 6.0, 400)
normal = naive["GaussianNB"].fit(X, y)
logs = naive["MixedNB, log-normal"].fit(X, y)
bins = naive[f"CategoricalNB, {N_BINS} bins"].fit(X, y)
j = X.columns.get_loc(column)
of_logs = {name: values[grower] for name, values in logs.feature_params_[j].items()}
edges = np.concatenate(([X[column].min()], bins[0].edges_[j], [X[column].max()]))
densities = {
    "GaussianNB": norm(normal.theta_[grower, j], np.sqrt(normal.var_[grower, j])).pdf(grid),
    "MixedNB, log-normal": lognorm(np.sqrt(of_logs["var"]), scale=np.exp(of_logs["mean"])).pdf(
        grid
    ),
}
in_bins = np.exp(bins[1].feature_log_prob_[j][grower]) / np.diff(edges)

# %%
# How many rows does each need? Averages over ten draws of the rows learnt; the others are judged. Three
# rows of a class do not tell a variance: `GaussianNB` is sure and wrong, less so when it is smoothed.
# Bins are smoothed by a row in each, and do best of the four while there are few rows; with more of
# them the log-normal shape does. Where no cell is missing, logistic regression is better throughout.
sizes = [9, 12, 18, 30, 60, 120]
regression = {"logistic regression": make_pipeline(StandardScaler(), LogisticRegression())}
learning = {name: [] for name in naive | regression}
for size in sizes:
    losses = {name: [] for name in learning}
    for learn, judge in StratifiedShuffleSplit(10, train_size=size, random_state=0).split(X, y):
        for name, model in (naive | regression).items():
            model.fit(X.iloc[learn], y.iloc[learn])
            losses[name].append(log_loss(y.iloc[judge], model.predict_proba(X.iloc[judge])))
    for name, values in losses.items():
        learning[name].append(np.mean(values))
print(f"{'log loss with rows:':33s}", " ".join(f"{size:6d}" for size in sizes))
for name, values in learning.items():
    print(f"{name:33s}", " ".join(f"{value:6.3f}" for value in values))

colors = dict(zip(learning, ("C0", "C4", "C1", "C2", "k"), strict=True))
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
axes[0].hist(own, bins=np.linspace(0.5, 6, 23), density=True, color="0.85", label="measured")
for name, density in densities.items():
    axes[0].plot(grid, density, color=colors[name], label=name)
axes[0].stairs(in_bins, edges, color=colors[f"CategoricalNB, {N_BINS} bins"], linewidth=1.5)
axes[0].set(xlabel=f"malic acid, grower {grower} (g/l)", ylabel="density")
for name, values in learning.items():
    axes[1].loglog(sizes, values, "o-", markersize=4, color=colors[name], label=name)
axes[1].set_xticks(sizes, sizes)
axes[1].minorticks_off()
axes[1].set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
axes[1].set(xlabel="rows learnt from", ylabel="log loss of other rows (nats)")
axes[1].legend(fontsize="small")
plt.show()

# %%
# Cells that were not measured
# ----------------------------
# All learn from complete rows; then cells are taken out of the rows that are judged. Logistic regression
# needs the gaps filled, and to fill them from what the other columns of the row say is far better than
# with means. That is a little better than the naive model while most cells are there, and worse when
# most are not: a filled cell counts as a measured one, a cell left out does not count.
shares = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9]
imputers = {
    "mean": SimpleImputer(),
    "KNNImputer": KNNImputer(),
    "IterativeImputer": IterativeImputer(random_state=0),
}
filled = {
    f"{name} + logistic regression": make_pipeline(StandardScaler(), imputer, LogisticRegression())
    for name, imputer in imputers.items()
}
shown = {name: model for name, model in naive.items() if name != "GaussianNB"} | filled
loss = {name: np.zeros(len(shares)) for name in shown}
accuracy = {name: np.zeros(len(shares)) for name in shown}
n_splits = 8
splits = StratifiedShuffleSplit(n_splits, test_size=0.4, random_state=0).split(X, y)
for split, (learn, judge) in enumerate(splits):
    draws = np.random.default_rng(split).random((len(judge), X.shape[1]))
    for name, model in shown.items():
        model.fit(X.iloc[learn], y.iloc[learn])
        for i, share in enumerate(shares):
            probabilities = model.predict_proba(X.iloc[judge].mask(draws < share))
            loss[name][i] += log_loss(y.iloc[judge], probabilities) / n_splits
            accuracy[name][i] += np.mean(probabilities.argmax(axis=1) == y.iloc[judge]) / n_splits
print(f"{'accuracy with cells missing:':39s}", "  ".join(f"{share:4.0%}" for share in shares))
for name, values in accuracy.items():
    print(f"{name:39s}", " ".join(f"{value:.3f}" for value in values))

# %%
# What to measure next
# --------------------
# The fitted model also tells what each measurement says alone: leave out the twelve others. That orders
# them. On the right one bottle that the model had not seen, measured in this order.
learn, judge = next(StratifiedShuffleSplit(1, test_size=0.4, random_state=0).split(X, y))
model = naive["MixedNB, log-normal"].fit(X.iloc[learn], y.iloc[learn])
alone = {}
for name in X.columns:
    only = X.iloc[learn].mask(np.broadcast_to(X.columns != name, (len(learn), X.shape[1])))
    alone[name] = log_loss(y.iloc[learn], model.predict_proba(only))
order = sorted(alone, key=alone.get)
steps = np.array([np.isin(X.columns, order[:k]) for k in range(len(order) + 1)])


def measured_in_order(bottle):
    """Return the probabilities of the growers after 0, 1, ... 13 measurements."""
    rows = X.loc[[bottle] * len(steps)].reset_index(drop=True)
    return model.predict_proba(rows.where(steps))


bottle = 131
probabilities = measured_in_order(bottle)
fig, axes = plt.subplots(1, 2, figsize=(10, 4.0), layout="constrained")
colors |= dict(zip(filled, ("0.7", "0.45", "0.0"), strict=True))
for name, values in loss.items():
    style = "--" if name in filled else "-"
    axes[0].semilogy(
        100 * np.array(shares), values, "o" + style, markersize=4, color=colors[name], label=name
    )
axes[0].set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
axes[0].minorticks_off()
axes[0].set(xlabel="cells not measured (%)", ylabel="log loss (nats)", ylim=(0.06, 4))
axes[0].legend(loc="upper left", fontsize="small")
names = ["nothing", *("+ " + name.removesuffix("_of_diluted_wines") for name in order)]
left = np.zeros(len(names))
for grower, color in enumerate(("C5", "C8", "C9")):
    axes[1].barh(names, probabilities[:, grower], 0.85, left, color=color, label=f"grower {grower}")
    left += probabilities[:, grower]
axes[1].invert_yaxis()
axes[1].set(xlabel="probability", xlim=(0, 1), ylim=(len(names) - 0.5, -0.5))
axes[1].set_title(f"a bottle of grower {y[bottle]}, step by step")
axes[1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize="small")
plt.show()
