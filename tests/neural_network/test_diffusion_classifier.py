"""DiffusionClassifier: Bayes' rule, its samples, and what it refuses."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV

from sklearn_extra_ml._torch._denoiser import ConditionalMLP, Denoiser
from sklearn_extra_ml.neural_network import DiffusionClassifier

TINY = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def gaussians():
    """A classifier of two Gaussians with other covariances, and new rows."""
    rng = np.random.default_rng(0)

    def draw(n):
        y = rng.choice(["a", "b"], p=[0.3, 0.7], size=n)
        X = rng.normal(size=(n, 2))
        X[y == "a"] = X[y == "a"] @ [[0.5, 0.4], [0.0, 0.3]] + [0.5, 0.0]
        return X * [1, 100], y

    X, y = draw(1500)
    classifier = DiffusionClassifier(
        hidden_layer_sizes=(64, 64),
        max_iter=300,
        n_error_levels=24,
        n_error_draws=16,
        random_state=0,
    ).fit(X, y)
    return classifier, X, y, draw(500)[0]


def test_bayes_rule_agrees_with_quadratic_discriminants_on_gaussians(gaussians):
    classifier, X, y, new = gaussians
    exact = QuadraticDiscriminantAnalysis().fit(X, y)
    sure = np.abs(exact.predict_proba(new)[:, 0] - 0.5) > 0.2
    assert (classifier.predict(new) == exact.predict(new))[sure].mean() > 0.97
    difference = classifier.predict_proba(new) - exact.predict_proba(new)
    assert np.sqrt((difference**2).mean()) < 0.1


def test_probabilities_are_consistent(gaussians):
    classifier, _, _, new = gaussians
    proba = classifier.predict_proba(new)
    assert proba.dtype == np.float32 and proba.shape == (500, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        classifier.predict(new), classifier.classes_[proba.argmax(axis=1)]
    )
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(classifier.predict_log_proba(new), np.log(proba))
    one = classifier.predict_proba(new[9:10])
    np.testing.assert_allclose(one, proba[9:10], rtol=1e-4, atol=1e-7)


def test_prior_is_the_share_of_the_classes(gaussians):
    classifier, X, y, _ = gaussians
    np.testing.assert_array_equal(classifier.class_count_, [(y == "a").sum(), (y == "b").sum()])
    share = (classifier.predict(classifier.sample(1500)) == "a").mean()
    assert abs(share - (classifier.predict(X) == "a").mean()) < 0.08


def test_samples_of_a_class_look_like_it(gaussians):
    classifier, X, y, _ = gaussians
    drawn = classifier.sample(800, y="a")
    own = X[y == "a"]
    assert np.abs((drawn.mean(axis=0) - own.mean(axis=0)) / own.std(axis=0)).max() < 0.25
    assert np.abs(np.corrcoef(drawn.T)[0, 1] - np.corrcoef(own.T)[0, 1]) < 0.15
    labels = np.array(["a", "b"] * 50)
    assert (classifier.predict(classifier.sample(100, y=labels)) == labels).mean() > 0.7


def test_errors_equal_a_loop_over_rows_and_classes():
    torch.manual_seed(0)
    network = ConditionalMLP(3, (8,), "silu", 3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    denoiser = Denoiser(network, n_context=2).eval()
    rows = torch.randn(4, 3)
    noises = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    sigmas = [0.3, 2.0]
    with torch.no_grad():
        found = denoiser.class_errors(rows, sigmas, noises)
        for i in range(4):
            for c in range(2):
                context = torch.tensor([[float(c == 0), float(c == 1), 1.0]])
                total = 0.0
                for sigma, draws in zip(sigmas, noises, strict=True):
                    for draw in torch.from_numpy(draws):
                        clean = denoiser.denoise(rows[i : i + 1] + sigma * draw, sigma, context)
                        total += ((clean - rows[i]) ** 2).sum().item() / sigma**2 / 5
                assert found[i, c].item() == pytest.approx(total, rel=1e-4)


def test_iris_frame_with_string_labels_and_missing_cells():
    data = load_iris(as_frame=True)
    X, y = data.data.copy(), data.target_names[data.target]
    X.iloc[::7, 1] = np.nan
    classifier = DiffusionClassifier(max_iter=600, random_state=0).fit(X, y)
    assert classifier.score(X, y) > 0.93
    drawn = classifier.sample(5, y="virginica")
    assert list(drawn.columns) == list(X.columns)


def test_rare_values_tell_classes_apart_and_keep_their_scale():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = np.c_[
        np.where((rng.random(200) < 0.3) & (y == 1), 5.0, 0.0) + 0.1 * y, rng.normal(size=200)
    ]
    usual, by_quantiles = (
        DiffusionClassifier(**TINY, standardize=standardize).fit(X, y)._table.transform(X)[:, 0]
        for standardize in ("auto", "quantile")
    )
    assert np.ptp(usual) == pytest.approx(np.ptp(X[:, 0]) / X[:, 0].std())
    assert np.ptp(by_quantiles) < np.ptp(usual)


def test_partial_fit_counts_classes_and_needs_them_all():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), np.arange(20) % 2
    classifier = DiffusionClassifier(**TINY)
    classifier.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    np.testing.assert_array_equal(classifier.class_count_, [20, 20, 0])
    assert (classifier.predict_proba(X)[:, 2] == 0).all()
    with pytest.raises(ValueError, match="`y`=5 is a class"):
        classifier.partial_fit(X, np.full(20, 5))


def test_grid_search_by_accuracy_and_pickle(tmp_path):
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        DiffusionClassifier(max_iter=30, random_state=0),
        {"hidden_layer_sizes": [(8,), (32,)]},
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.5
    best = search.best_estimator_
    best.save(tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(best)), DiffusionClassifier.load(tmp_path / "model")):
        np.testing.assert_array_equal(other.predict_proba(X), best.predict_proba(X))


def test_bad_input_is_named():
    X = np.zeros((6, 2))
    with pytest.raises(ValueError, match="requires y to be passed"):
        DiffusionClassifier().fit(X, None)
    with pytest.raises(ValueError, match="Unknown label type"):
        DiffusionClassifier().fit(X, np.linspace(0, 1, 6))
    with pytest.raises(ValueError, match="NaN"):
        DiffusionClassifier().fit(X, [0, 1, 0, 1, 0, np.nan])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        DiffusionClassifier().fit(X, [0, 1])
    fitted = DiffusionClassifier(**TINY).fit(X, [0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="`y`=2 is a class that the model was not fitted with"):
        fitted.sample(1, y=2)
    with pytest.raises(ValueError, match="`n_samples`=0"):
        fitted.sample(0)
