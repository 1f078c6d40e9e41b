"""
CpG islands: regions of a genome by its letters
===============================================

In the genomes of mammals a C is rarely followed by a G, because the pair decays; but not near the
beginnings of genes, in stretches of some hundred letters that are called CpG islands. No letter tells
whether it lies in one, and no pair does; many pairs together do. This is the textbook example of a
hidden Markov model over symbols (Durbin, Eddy, Krogh and Mitchison, *Biological Sequence Analysis*,
1998, section 3), and here of a table that is common everywhere: few annotated rows, many that are not.

The letters are simulated with the frequencies of pairs in that book, so that every island is known.
"""

# %%
# Letters in, regions out
# -----------------------
# `CategoricalHMM` draws each letter from the present state alone. For pairs to matter, a state is a
# region *and* the letter there: eight states, each of which emits one letter for sure. How often C
# follows A inside an island, or outside, then stands in the transitions.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from sklearn_extra_ml.hmm import CategoricalHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay

A, C, G, T = range(4)
OUTSIDE = np.array(  # row: a letter, column: the next one
    [
        [0.300, 0.205, 0.285, 0.210],
        [0.322, 0.298, 0.078, 0.302],
        [0.248, 0.246, 0.298, 0.208],
        [0.177, 0.239, 0.292, 0.292],
    ]
)
ISLAND = np.array(
    [
        [0.180, 0.274, 0.426, 0.120],
        [0.171, 0.368, 0.274, 0.188],
        [0.161, 0.339, 0.375, 0.125],
        [0.079, 0.355, 0.384, 0.182],
    ]
)
leave, enter = 1 / 400, 1 / 2000  # islands of 400 letters on average, 2,000 between them
transmat = np.block(
    [
        [(1 - enter) * OUTSIDE, enter * ISLAND],
        [leave * OUTSIDE, (1 - leave) * ISLAND],
    ]
)
transmat /= transmat.sum(axis=1, keepdims=True)  # the book rounds to three digits
truth = CategoricalHMM.from_parameters(
    startprob=[5 / 24] * 4 + [1 / 24] * 4,
    transmat=transmat,
    emissionprob=np.vstack([np.eye(4), np.eye(4)]),
)

N_SEQUENCES, LENGTH = 30, 3000
lengths = np.full(N_SEQUENCES, LENGTH)
X, states = truth.sample(LENGTH, n_sequences=N_SEQUENCES, random_state=4)
X_new, states_new = truth.sample(LENGTH, n_sequences=N_SEQUENCES, random_state=5)
island = states >= 4
island_new = states_new >= 4
print("".join("ACGT"[letter] for letter in X[:60, 0]))
print(f"{island.mean():.1%} of {len(X):,} letters lie in islands")

# %%
# Two annotated sequences of thirty
# ---------------------------------
# `states=` in `fit` says which state a row is in where somebody knows, and -1 elsewhere. Two sequences
# are annotated. They name the states, and the other twenty-eight teach the rest.
ANNOTATED = 2 * LENGTH
known = np.where(np.arange(len(X)) < ANNOTATED, states, -1)
model = CategoricalHMM(8, random_state=0).fit(X, lengths=lengths, states=known)
begin = 1 / model.transmat_[:4, 4:].sum(axis=1).mean()
print(f"{model.n_iter_} iterations of EM; an island begins every {begin:,.0f} letters outside")
print(
    f"C to G: {model.transmat_[C, G]:.3f} outside, {model.transmat_[4 + C, 4 + G]:.3f} in islands"
)


def island_probability(model, X):
    """Return the probability that each letter lies in an island, given its whole sequence."""
    return model.predict_proba(X, lengths=lengths)[:, 4:].sum(axis=1)


def ratio_in_window(X, width):
    """Return how often CG occurs around each letter, relative to what C and G alone would give."""
    window, ratios = np.ones(width), []
    for letters in X.reshape(-1, LENGTH):
        c, g = (np.convolve(letters == letter, window, "same") for letter in (C, G))
        pair = np.append((letters[:-1] == C) & (letters[1:] == G), False)
        ratios.append(width * np.convolve(pair, window, "same") / np.maximum(c * g, 1))
    return np.concatenate(ratios)


# %%
# One new sequence. The curve is what one looks at without a model: how often CG occurs in a window of
# 200 letters, relative to what C and G alone would give. Behind it the path of Viterbi, below the
# probabilities; the bar at the top marks the true islands. The path is the one that is most likely as a
# whole, and leaves the first island out; letter by letter the model is sure of it.
one = 26
rows = slice(one * LENGTH, (one + 1) * LENGTH)
path = model.predict(X_new, lengths=lengths) >= 4
probability = island_probability(model, X_new)
window = ratio_in_window(X_new, 200)
display = StateSequenceDisplay(
    path[rows].astype(int),
    np.column_stack((1 - probability, probability))[rows],
    values=window[rows],
    state_names=["outside", "island"],
    labels=("position", "CG, observed / expected"),
).plot()
top = display.ax_[0].get_ylim()[1]
position = np.arange(LENGTH)
display.ax_[0].set_ylim(0, 1.1 * top)
display.ax_[0].fill_between(
    position, 1.04 * top, 1.1 * top, where=island_new[rows], color="k", linewidth=0
)
plt.show()
print(f"letters of new sequences in the right region: {np.mean(path == island_new):.2%}")

# %%
# The islands as a table: where, how long, how sure.
found = display.to_pandas()
print(found[found["state"] == "island"].to_string(index=False))

# %%
# What the other sequences are good for
# -------------------------------------
# The same model from the two annotated sequences alone, the window in three widths, and the model
# that drew the letters, which nobody beats.
few = CategoricalHMM(8, random_state=0)
few.fit(X[:ANNOTATED], lengths=lengths[:2], states=states[:ANNOTATED])
scores = {
    "the model that drew the letters": island_probability(truth, X_new),
    "2 annotated + 28 others": probability,
    "2 annotated": island_probability(few, X_new),
    "window of 100": ratio_in_window(X_new, 100),
    "window of 200": window,
    "window of 400": ratio_in_window(X_new, 400),
}
for name, score in scores.items():
    print(f"{name:32s} area under the curve {roc_auc_score(island_new, score):.4f}")

# %%
# Nobody annotated anything
# -------------------------
# Letters alone, fits with more and more states, scored on sequences that they have not seen. The score
# tells that there is more than composition to be learnt: it leaps where states are enough for pairs.
# It does not reach the truth, as EM from a random start ends in a nearby peak, and its states have
# no names. Annotating two sequences gave both.
numbers = [1, 2, 3, 4, 5, 6, 7, 8]
unseen, seen = [], []
for n_components in numbers:
    alone = CategoricalHMM(n_components, max_iter=500, random_state=0).fit(X, lengths=lengths)
    seen.append(alone.score(X, lengths=lengths))
    unseen.append(alone.score(X_new, lengths=lengths))
    print(f"{n_components} states: {unseen[-1]:.4f} nats a letter")

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for name, score in scores.items():
    false, true, _ = roc_curve(island_new, score)
    style = "k:" if "drew" in name else "--" if "window" in name else "-"
    axes[0].plot(100 * false, 100 * true, style, label=name)
axes[0].set(xlim=(0, 20), ylim=(40, 101))
axes[0].set(xlabel="false (% of letters outside)", ylabel="found (% of letters in islands)")
axes[0].legend(loc="lower right", fontsize="small")
axes[1].plot(numbers, seen, "o--", color="0.6", label="sequences learnt from")
axes[1].plot(numbers, unseen, "o-", label="new sequences")
axes[1].axhline(
    model.score(X_new, lengths=lengths), color="C1", label="2 annotated + 28 others, new"
)
axes[1].axhline(truth.score(X_new, lengths=lengths), color="k", ls=":", label="the truth, new")
axes[1].set(xlabel="n_components, without annotation", ylabel="score (nats a letter)")
axes[1].legend(loc="lower right", fontsize="small")
plt.show()
