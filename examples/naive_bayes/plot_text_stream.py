"""
Sorting a stream of messages by their words
===========================================

Messages arrive in batches and have to be sorted into twenty topics, some of them thirty times as
frequent as others. Naive Bayes learns a batch in one pass over the non-zero counts, and ends with the
bits of one fit over everything. What it is given matters more than which of its variants it is:
words in real messages come in bursts, and a model of counts takes each repetition for new evidence.

The corpus is simulated as text behaves: word frequencies follow Zipf's law, each topic prefers some
words mildly, and half of the words in a message repeat one of its first words.
"""

# %%
# The corpus
# ----------
import time

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score, recall_score

from sklearn_extra_ml.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

N_TOPICS, N_WORDS, LENGTH = 20, 20_000, 40
rng = np.random.default_rng(0)
zipf = 1 / (np.arange(N_WORDS) + 10.0)
preference = rng.gamma(1.0, 1.0, size=(N_TOPICS, N_WORDS))
words = np.cumsum(zipf * preference, axis=1)
words /= words[:, -1:]
topics = np.cumsum(1 / np.arange(1, N_TOPICS + 1) ** 1.2)
topics /= topics[-1]


def messages(n):
    """Simulate n messages: a sparse matrix of counts, and their topics."""
    y = np.searchsorted(topics, rng.random(n))
    lengths = rng.poisson(LENGTH, size=n) + 1
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(n, dtype=np.int32), lengths)
    word = np.empty(len(row), dtype=np.int32)
    for topic in range(N_TOPICS):
        of_topic = y[row] == topic
        word[of_topic] = np.searchsorted(words[topic], rng.random(of_topic.sum()))
    # half of the words repeat one of the first ten of their message
    again = rng.random(len(row)) < 0.5
    earlier = starts[row] + (rng.random(len(row)) * np.minimum(lengths[row], 10)).astype(int)
    word[again] = word[earlier[again]]
    return sp.csr_array((np.ones(len(row)), (row, word)), shape=(n, N_WORDS)), y


X_test, y_test = messages(6000)
print(f"{X_test.nnz / X_test.shape[0]:.0f} different words in a message of {N_WORDS} in all")
print(f"largest topic {np.mean(y_test == 0):.1%}, smallest {np.mean(y_test == N_TOPICS - 1):.2%}")

# %%
# Learning from batches
# ---------------------
# Three readings of the same words: how often each occurs; whether it occurs, and nothing else; and
# for `BernoulliNB` also which words do *not* occur. `ComplementNB` learns a topic from the words of all
# others.


def presence(X):
    """Return the matrix with every count set to 1."""
    return sp.csr_array((np.ones_like(X.data), X.indices, X.indptr), shape=X.shape)


models = {
    "MultinomialNB, counts": (MultinomialNB(alpha=0.1), lambda X: X),
    "MultinomialNB, presence": (MultinomialNB(alpha=0.1), presence),
    "ComplementNB, presence": (ComplementNB(alpha=0.1), presence),
    "BernoulliNB": (BernoulliNB(alpha=0.1), presence),
    "SGDClassifier (linear SVM), presence": (SGDClassifier(random_state=0), presence),
}
seen, curve = [], {name: [] for name in models}
seconds = dict.fromkeys(models, 0.0)
for batch in range(16):
    X, y = messages(1000)
    seen.append(1000 * (batch + 1))
    for name, (model, read) in models.items():
        start = time.perf_counter()
        model.partial_fit(read(X), y, classes=np.arange(N_TOPICS))
        seconds[name] += time.perf_counter() - start
        curve[name].append(f1_score(y_test, model.predict(read(X_test)), average="macro"))
for name, values in curve.items():
    print(f"{name:38s} macro F1 {values[-1]:.3f}, {1000 * seconds[name] / 16:6.1f} ms a batch")

# %%
# Who finds the rare topics?
# --------------------------
# On the left the mean over topics, whatever their size; on the right the topics. `ComplementNB` was made
# for topics of unequal size, and does worst here: all words but those of a topic that has 1 % of them
# are hardly different from all words, so its score hardly moves, and the large topics outvote the rest.
size = np.bincount(y_test, minlength=N_TOPICS) / len(y_test)
order = np.argsort(size)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, (model, read) in models.items():
    axes[0].plot(seen, curve[name], marker="o", markersize=3, label=name)
    recall = recall_score(y_test, model.predict(read(X_test)), average=None)
    axes[1].semilogx(100 * size[order], recall[order], "o-", markersize=4, linewidth=0.5)
axes[0].set(xlabel="messages learnt from", ylabel="macro F1 on 6,000 new messages", ylim=(0, 1))
axes[1].set(xlabel="share of the topic (%)", ylabel="recall")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# A message explained
# -------------------
# The evidence of a word is the difference of its log-probabilities in two topics.
model, read = models["MultinomialNB, presence"]
proba = model.predict_proba(read(X_test))
close = np.sort(proba, axis=1)[:, -2]
message = int(np.flatnonzero((close > 0.05) & (proba.argmax(axis=1) == y_test))[0])
second, first = np.argsort(proba[message])[-2:]
entries = read(X_test)[[message]].tocoo()
evidence = entries.data * (
    model.feature_log_prob_[first, entries.col] - model.feature_log_prob_[second, entries.col]
)
order = np.argsort(evidence)
order = np.concatenate((order[:6], order[-6:]))
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
names = [f"word {entries.col[i]}" for i in order]
ax.barh(names, evidence[order], color=np.where(evidence[order] > 0, "tab:red", "tab:blue"))
ax.axvline(0, color="black", linewidth=0.8)
ax.set_xlabel(f"← topic {second}      evidence (nats)      topic {first} →")
ax.set_title(f"topic {first} with probability {proba[message, first]:.2f}")
plt.show()
