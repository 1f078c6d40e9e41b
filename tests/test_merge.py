"""Models of parts of the rows, merged: the model of all rows."""

from functools import reduce

import dask
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
from sklearn_extra_ml.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MixedNB,
    MultinomialNB,
)

CLASSES = ["a", "b", "c"]
MODELS = [
    GaussianNB(),
    GaussianNB(missing="ignore", smoothing_scale="feature", class_weight="balanced"),
    MultinomialNB(),
    BernoulliNB(missing="ignore"),
    ComplementNB(norm=True),
    CategoricalNB(unseen="ignore"),
    GaussianDiscriminantAnalysis(),
    GaussianDiscriminantAnalysis("tied", shrinkage="ledoit_wolf"),
    GaussianDiscriminantAnalysis("diag", reg_lambda=0.2, reg_gamma=0.1),
]


def rows(model, rng, n=400):
    """Rows, labels and weights; the last class is in the last quarter alone, far from the others."""
    y = rng.integers(0, 2, size=n)
    y[-n // 4 :] = rng.integers(0, 3, size=n // 4)
    X = rng.normal(size=(n, 3)) + 3.0 * y[:, None]
    X[y == 2] += 100.0
    if not isinstance(model, GaussianNB | GaussianDiscriminantAnalysis):
        X = np.floor(np.abs(X) % 7)  # counts, and codes of which not all are in every part
        X[: n // 2] = np.minimum(X[: n // 2], 2)
    if getattr(model, "missing", "error") == "ignore":
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
    return X, np.array(CLASSES)[y], rng.uniform(0.5, 2.0, size=n)


def parts_of(n, n_parts=4):
    return np.array_split(np.arange(n), n_parts)


def learnt(model):
    """The public attributes that `fit` sets, as one list of arrays."""
    found = []
    for name, value in sorted(vars(model).items()):
        if name.endswith("_") and not name.startswith("_") and name != "classes_":
            found += [np.asarray(v) for v in (value if isinstance(value, list) else [value])]
    return [value for value in found if value.dtype.kind == "f"]


def assert_same_model(found, expected, X):
    for one, two in zip(learnt(found), learnt(expected), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-10)
    one, two = found.predict_proba(X), expected.predict_proba(X)
    np.testing.assert_allclose(one, two, atol=1e-8)
    clear = np.diff(np.sort(two, axis=1), axis=1)[:, -1] > 1e-7  # equal classes go by rounding
    assert clear.mean() > 0.2
    np.testing.assert_array_equal(found.predict(X)[clear], expected.predict(X)[clear])


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("backwards", [False, True])
def test_merged_parts_are_one_fit(model, backwards, rng):
    X, y, weight = rows(model, rng)
    models = [
        clone(model).partial_fit(X[part], y[part], CLASSES, weight[part])
        for part in parts_of(len(X))
    ]
    last = [value.copy() for value in learnt(models[-1])]
    if backwards:
        models = models[::-1]
    else:
        whole_last = models[-1]
    merged = reduce(lambda one, two: one.merge(two), models)
    assert merged is models[0]
    assert_same_model(merged, clone(model).fit(X, y, sample_weight=weight), X)
    if not backwards:  # what was merged in is as it was
        for one, two in zip(learnt(whole_last), last, strict=True):
            np.testing.assert_array_equal(one, two)
    # and it goes on
    merged.partial_fit(X[:50], y[:50])
    again = np.concatenate([np.arange(len(X)), np.arange(50)])
    more = np.concatenate([weight, np.ones(50)])
    assert_same_model(merged, clone(model).fit(X[again], y[again], sample_weight=more), X)


@pytest.mark.parametrize("model", [GaussianNB(), MultinomialNB(), BernoulliNB()], ids=repr)
def test_parts_may_be_sparse(model, rng):
    X, y, _ = rows(MultinomialNB(), rng)
    halves = parts_of(len(X), 2)
    models = [
        clone(model).partial_fit(make(X[part]), y[part], CLASSES)
        for part, make in zip(halves, (sp.csr_array, np.asarray), strict=True)
    ]
    assert_same_model(models[0].merge(models[1]), clone(model).fit(X, y), X)


def test_parts_of_a_frame_with_categories_of_their_own(rng):
    n = 300
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "waiting": rng.exponential(size=n),
            "town": np.repeat(["B", "A", "D"], n // 3),
            "yes": rng.integers(0, 2, size=n).astype(bool),
        }
    )
    y = np.array(CLASSES)[rng.integers(0, 3, size=n)]
    kinds = ["gaussian", "exponential", "categorical", "bernoulli"]
    models = [
        MixedNB(kinds=kinds).partial_fit(frame.iloc[part], y[part], CLASSES)
        for part in parts_of(n, 3)
    ]
    merged = models[2].merge(models[0]).merge(models[1])
    whole = MixedNB(kinds=kinds).fit(frame, y)
    assert merged.categories_ == whole.categories_
    np.testing.assert_allclose(merged.predict_proba(frame), whole.predict_proba(frame), rtol=1e-9)


def test_parts_on_the_workers_of_joblib_and_of_dask(rng):
    X, y, _ = rows(GaussianNB(), rng)

    def learn(part):
        return GaussianNB().partial_fit(X[part], y[part], CLASSES)

    expected = GaussianNB().fit(X, y)
    by_joblib = joblib.Parallel(n_jobs=2)(joblib.delayed(learn)(p) for p in parts_of(len(X)))
    assert_same_model(reduce(GaussianNB.merge, by_joblib), expected, X)
    lazy = [dask.delayed(learn)(part) for part in parts_of(len(X))]
    while len(lazy) > 1:  # a tree of merges
        lazy = [dask.delayed(GaussianNB.merge)(*lazy[i : i + 2]) for i in range(0, len(lazy), 2)]
    assert_same_model(lazy[0].compute(scheduler="threads"), expected, X)


@pytest.mark.parametrize("model", [GaussianNB(), GaussianDiscriminantAnalysis()], ids=repr)
def test_models_that_were_not_fitted_alike_are_refused_and_leave_the_model_as_it_was(model, rng):
    X, y, _ = rows(model, rng)
    fitted, other = clone(model).fit(X, y), clone(model)
    before = [value.copy() for value in learnt(fitted)]
    with pytest.raises(NotFittedError):
        fitted.merge(other)
    with pytest.raises(TypeError, match=r"`other` is a MultinomialNB. Allowed: a fitted"):
        fitted.merge(MultinomialNB())
    with pytest.raises(ValueError, match=r"`classes_`=.*the same `classes` for every part"):
        fitted.merge(other.fit(X[:100], y[:100]))
    with pytest.raises(ValueError, match="`n_features_in_`=2, and this model 3"):
        fitted.merge(other.fit(X[:, :2], y))
    with pytest.raises(ValueError, match="feature_names_in_"):
        fitted.merge(other.fit(pd.DataFrame(X, columns=list("abc")), y))
    for one, two in zip(learnt(fitted), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_is_counted_otherwise_is_refused(rng):
    X, y, _ = rows(MultinomialNB(), rng)
    with pytest.raises(ValueError, match="`binarize`=2"):
        BernoulliNB().fit(X, y).merge(BernoulliNB(binarize=2.0).fit(X, y))
    with pytest.raises(ValueError, match="`missing`='ignore'"):
        GaussianNB().fit(X, y).merge(GaussianNB(missing="ignore").fit(X, y))
    with pytest.raises(ValueError, match=r"kept_kind"):
        GaussianDiscriminantAnalysis().fit(X, y).merge(
            GaussianDiscriminantAnalysis("diag").fit(X, y)
        )
    automatic = GaussianDiscriminantAnalysis(reg_lambda="auto")
    assert not hasattr(automatic, "merge")
