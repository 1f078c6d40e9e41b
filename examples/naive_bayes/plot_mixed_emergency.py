"""
Naive Bayes on a table of mixed columns with gaps
=================================================

An emergency department writes down what it knows of a patient at the door: age and temperature,
a laboratory value that is measured for half of the patients, how they came, how often they were
there before, and the complaint as a word. Columns are numbers, skewed numbers, switches, counts and
strings, and cells are missing. `MixedNB` reads such a frame as it is; the usual way is to impute,
encode and scale first.

The data are simulated, with correlated columns as in life: a naive model is wrong there, and the
picture shows how much that costs.
"""

# %%
# The table
# ---------
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_extra_ml.naive_bayes import MixedNB

OUTCOMES = np.array(["home", "ward", "surgery"])
COMPLAINTS = np.array(["cough", "fall", "fever", "belly pain", "chest pain", "headache", "rash"])
SHARES = [
    [0.24, 0.22, 0.14, 0.10, 0.06, 0.14, 0.10],
    [0.16, 0.12, 0.24, 0.12, 0.24, 0.10, 0.02],
    [0.01, 0.30, 0.03, 0.60, 0.02, 0.03, 0.01],
]


def visits(n, seed):
    """Simulate n visits: a frame and their outcomes."""
    rng = np.random.default_rng(seed)
    outcome = rng.choice(3, size=n, p=[0.6, 0.28, 0.12])
    frailty = rng.normal(np.array([-0.6, 0.9, 0.1])[outcome], 1.0)  # makes columns correlate
    infection = rng.normal(np.array([-0.5, 0.9, 0.8])[outcome], 1.0)
    chosen = np.cumsum(SHARES, axis=1)[outcome, :-1] < rng.random(n)[:, None]
    complaint = COMPLAINTS[chosen.sum(axis=1)].astype(object)
    X = pd.DataFrame(
        {
            "age": np.clip(45 + 17 * frailty + rng.normal(0, 8, n), 1, 99).round(),
            "temperature": (37.1 + 0.6 * infection + rng.normal(0, 0.3, n)).round(1),
            "CRP": 0.1 + np.exp(1.8 + 1.1 * infection + rng.normal(0, 0.5, n)).round(1),
            "ambulance": rng.random(n) < 1 / (1 + np.exp(0.8 - 1.2 * frailty)),
            "visits before": rng.poisson(np.exp(-0.2 + 0.5 * frailty)),
            "complaint": complaint,
        }
    )
    X.loc[rng.random(n) < 0.5, "CRP"] = np.nan  # the test was not ordered
    X.loc[rng.random(n) < 0.1, "temperature"] = np.nan
    X.loc[rng.random(n) < 0.05, "complaint"] = None
    return X, OUTCOMES[outcome]


X, y = visits(20_000, seed=0)
X_new, y_new = visits(10_000, seed=1)
print(X.head(4).to_string())

# %%
# Two models
# ----------
# `MixedNB` needs only to be told which columns are more than what their dtype says.
kinds = {"CRP": "lognormal", "visits before": "poisson"}
naive = MixedNB(kinds, missing="ignore")

numbers = ["age", "temperature", "CRP", "visits before"]
usual = make_pipeline(
    make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), ["complaint"]),
        remainder="passthrough",
    ),
    LogisticRegression(max_iter=1000),
)

sizes = [30, 60, 120, 250, 500, 1000, 4000, 20_000]
curves = {"MixedNB, the frame as it is": naive, "impute, encode, scale, logistic regression": usual}
accuracy = {name: [] for name in curves}
for size in sizes:
    repeats = 10 if size <= 120 else 3 if size <= 1000 else 1
    for name, model in curves.items():
        scores = []
        for repeat in range(repeats):
            rows = np.random.default_rng(repeat).permutation(len(X))[:size]
            scores.append(model.fit(X.iloc[rows], y[rows]).score(X_new, y_new))
        accuracy[name].append(np.mean(scores))
    print(f"{size:6d} rows:", ", ".join(f"{name} {a[-1]:.3f}" for name, a in accuracy.items()))

# %%
# What speaks for what
# --------------------
# Given the class, columns are independent, so each adds its own part to the log-odds. With
# ``missing="ignore"`` a row that holds a single cell tells that cell's part.
naive.fit(X, y)
right = (y_new == "surgery") & (naive.predict(X_new) == "surgery") & X_new.notna().all(axis=1)
patient = X_new[right].iloc[[3]]
alone = pd.concat([patient] * patient.shape[1], ignore_index=True).astype(object)
alone = alone.where(np.eye(patient.shape[1], dtype=bool), None)
ward, surgery = (int(np.flatnonzero(naive.classes_ == name)[0]) for name in ("ward", "surgery"))
joint = naive.transform(alone) - np.log(naive.class_prior_)
evidence = joint[:, surgery] - joint[:, ward]
prior = np.log(naive.class_prior_[surgery] / naive.class_prior_[ward])
for name, probability in zip(naive.classes_, naive.predict_proba(patient)[0], strict=True):
    print(f"{name:8s} {probability:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
labels = ["share of such patients"]
labels += [f"{name}: {value}" for name, value in patient.iloc[0].items()]
parts = np.append(prior, evidence)
axes[0].barh(labels, parts, color=np.where(parts > 0, "tab:red", "tab:blue"))
axes[0].axvline(0, color="black", linewidth=0.8)
axes[0].invert_yaxis()
axes[0].set_xlabel("← ward      log-odds (nats)      surgery →")
axes[0].set_title(f"one patient: {parts.sum():+.1f} in all")
for name, values in accuracy.items():
    axes[1].semilogx(sizes, values, marker="o", label=name)
axes[1].set_xlabel("rows learnt from")
axes[1].set_ylabel("accuracy on 10,000 new rows")
axes[1].legend(loc="lower right")
plt.show()
