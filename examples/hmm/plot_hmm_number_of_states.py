"""
How many states?
================

The likelihood of a hidden Markov model rises with every state that is added; what rises only while
states are real is the likelihood of *new* sequences. So the number of states, and the form of the
covariances, are chosen like any other hyper-parameter: by cross-validation, whole sequences at a
time. The Bayesian information criterion (BIC) gives a second opinion from one fit each.

Forty machines report vibration and temperature over an hour each. All go through the same four
phases: idle, start, run, overheat.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.hmm import GaussianHMM

truth = GaussianHMM.from_parameters(
    startprob=[1, 0, 0, 0],
    transmat=[[0.9, 0.1, 0, 0], [0, 0.7, 0.3, 0], [0.05, 0, 0.92, 0.03], [0.1, 0, 0.1, 0.8]],
    means=[[0.1, 25], [0.9, 40], [0.5, 60], [0.7, 85]],
    covars=[
        [[0.003, 0], [0, 4]],
        [[0.05, 0.6], [0.6, 40]],
        [[0.01, -0.1], [-0.1, 20]],
        [[0.03, 0.3], [0.3, 30]],
    ],
    covariance_type="full",
)
rows, _ = truth.sample(60, n_sequences=40, random_state=0)
table = pd.DataFrame(rows, columns=["vibration", "temperature"])
table["machine"] = np.repeat(np.arange(40), 60)

# %%
# The column of machines
# ----------------------
# `sequence_col` names the column that says which rows are one sequence. It travels through the
# pipeline beside the features, so every fold and every score knows where sequences end, and nothing
# has to be routed. `GroupKFold` keeps each machine whole: either all its rows are used to fit, or all
# to score.

scale = make_column_transformer(
    (StandardScaler(), ["vibration", "temperature"]),
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
pipeline = make_pipeline(scale, GaussianHMM(sequence_col="machine", random_state=0))
grid = {
    "gaussianhmm__n_components": [1, 2, 3, 4, 5],
    "gaussianhmm__covariance_type": ["spherical", "diag", "tied", "full"],
}
search = GridSearchCV(pipeline, grid, cv=GroupKFold(5)).fit(table, groups=table["machine"])
print("chosen:", search.best_params_)

# %%
# The same with BIC: one fit for each setting, on all rows.

bic = {}
for kind in grid["gaussianhmm__covariance_type"]:
    for n in grid["gaussianhmm__n_components"]:
        pipeline.set_params(gaussianhmm__n_components=n, gaussianhmm__covariance_type=kind)
        pipeline.fit(table)
        bic[kind, n] = pipeline[-1].bic(pipeline[0].transform(table))
print("lowest BIC:", min(bic, key=bic.get))

# %%
# Both stop at four states with full covariances.

results = pd.DataFrame(search.cv_results_)
fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for kind in grid["gaussianhmm__covariance_type"]:
    own = results[results["param_gaussianhmm__covariance_type"] == kind]
    n = own["param_gaussianhmm__n_components"].astype(int)
    axes[0].errorbar(
        n, own["mean_test_score"], own["std_test_score"] / np.sqrt(5), marker="o", label=kind
    )
    axes[1].plot(n, [bic[kind, i] for i in n], marker="o", label=kind)
axes[0].set(xlabel="n_components", ylabel="nats a row", title="Likelihood of unseen machines")
axes[1].set(xlabel="n_components", ylabel="BIC", title="BIC (lower is better)")
axes[0].legend(title="covariance_type")
plt.show()

# %%
# With routed groups
# ------------------
# Where the ids are no column of X, they can be passed beside it. With metadata routing enabled one
# array `groups` serves the splitter, the fit and the score. Without it, ``GridSearchCV.fit(groups=)``
# reaches the splitter alone, and the model takes all rows for one sequence.

import sklearn  # noqa: E402

features, machine = table[["vibration", "temperature"]], table["machine"]
with sklearn.config_context(enable_metadata_routing=True):
    model = GaussianHMM(random_state=0)
    model.set_fit_request(groups=True).set_score_request(groups=True)
    routed = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"gaussianhmm__n_components": [3, 4, 5], "gaussianhmm__covariance_type": ["full"]},
        cv=GroupKFold(5),
    ).fit(features, groups=machine)
print("chosen:", routed.best_params_)
