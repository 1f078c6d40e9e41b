"""Diffusion in the space of a transformer's codes."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from sklearn_extra_ml.neural_network import VAE, AutoEncoder, DiffusionClassifier, DiffusionModel

SMALL = {"hidden_layer_sizes": (32, 32), "max_iter": 100, "random_state": 0}
TINY = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def plane():
    """600 rows in 6 columns near a plane."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(600, 2)) * [3.0, 1.0]
    return signal @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(600, 6)) + 7.0


@pytest.fixture(scope="module")
def model(plane):
    return DiffusionModel(**SMALL, encoder=PCA(2)).fit(plane)


def test_model_of_codes_equals_a_model_fitted_to_them(plane):
    pca = PCA(2).fit(plane)
    latent = DiffusionModel(**TINY, encoder=pca).fit(plane)
    plain = DiffusionModel(**TINY).fit(pca.transform(plane))
    codes = pca.transform(plane[:20])
    np.testing.assert_array_equal(latent.score_samples(plane[:20]), plain.score_samples(codes))
    np.testing.assert_array_equal(latent.transform(plane[:20]), plain.transform(codes))
    for name, argument in (("sample", 5), ("inverse_transform", plain.transform(codes))):
        np.testing.assert_allclose(
            getattr(latent, name)(argument),
            pca.inverse_transform(getattr(plain, name)(argument)),
            rtol=1e-5,
        )
    np.testing.assert_allclose(
        latent.predict(plane[:20]), pca.inverse_transform(plain.predict(codes)), rtol=1e-5
    )


def test_density_is_that_of_the_code_in_its_units(model, plane):
    codes = model.encoder_.transform(plane)
    truth = multivariate_normal(codes.mean(axis=0), np.cov(codes.T)).logpdf(codes)
    assert model.score(plane) == pytest.approx(truth.mean(), abs=0.1)
    # what the code leaves out does not count
    aside = plane[:1] + np.linalg.svd(model.encoder_.components_)[2][-1:] * 100
    assert model.score_samples(aside)[0] == pytest.approx(
        model.score_samples(plane[:1])[0], abs=1e-2
    )


def test_samples_lie_where_the_encoder_decodes_to(model, plane):
    drawn, way = model.sample(200, return_trajectory=True)
    assert drawn.shape == (200, 6) and drawn.dtype == np.float32
    pca = model.encoder_
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(drawn)), drawn, atol=1e-3)
    np.testing.assert_allclose(drawn.mean(axis=0), plane.mean(axis=0), atol=0.8)
    assert all(state.shape == drawn.shape for state in (*way.states, *way.denoised))


def test_fitted_encoder_is_used_as_it_is_and_another_is_cloned(plane):
    fitted, fresh = PCA(2).fit(plane[:50]), PCA(2)
    assert DiffusionModel(**TINY, encoder=fitted).fit(plane).encoder_ is fitted
    model = DiffusionModel(**TINY, encoder=fresh).fit(plane)
    assert model.encoder_ is not fresh and not hasattr(fresh, "components_")
    # a clone is not fitted, unless it is frozen
    again = clone(DiffusionModel(**TINY, encoder=fitted))
    assert not hasattr(again.encoder, "components_")
    frozen = clone(DiffusionModel(**TINY, encoder=FrozenEstimator(fitted))).fit(plane)
    np.testing.assert_array_equal(
        frozen.encoder_.inverse_transform(np.eye(2)), fitted.inverse_transform(np.eye(2))
    )


def test_fit_without_encoder_forgets_the_last_one(plane):
    model = DiffusionModel(**TINY, encoder=PCA(2)).fit(plane).set_params(encoder=None).fit(plane)
    assert not hasattr(model, "encoder_") and model.transform(plane[:1]).shape == (1, 6)


@pytest.mark.parametrize(
    "encoder",
    [
        VAE(2, hidden_layer_sizes=(8,), max_iter=3),
        AutoEncoder(3, hidden_layer_sizes=(8,), max_iter=3),
        make_pipeline(StandardScaler(), PCA(2)),
        FunctionTransformer(np.log, np.exp, check_inverse=False),
        PCA(2).set_output(transform="pandas"),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_any_transformer_with_an_inverse_serves_and_repeats(encoder, plane):
    X = np.abs(plane)
    first, second = (DiffusionModel(**TINY, encoder=encoder).fit(X) for _ in range(2))
    drawn = first.sample(4)
    assert drawn.shape == (4, 6) and np.isfinite(drawn).all()
    np.testing.assert_array_equal(drawn, second.sample(4))
    assert first.n_features_in_ == 6
    width = first.transform(X[:1]).shape[1]
    names = first.get_feature_names_out().tolist()
    assert names == [f"diffusionmodel{i}" for i in range(width)]
    twin = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(twin.sample(4), drawn)
    twin.partial_fit(X)
    assert len(twin.loss_curve_) == 4 and twin.encoder_ is not first.encoder_


def test_frames_go_to_the_encoder_as_they_are(plane):
    frame = pd.DataFrame(plane, columns=list("abcdef"))
    encoder = PCA(2).fit(frame)
    model = DiffusionModel(**TINY, encoder=encoder).fit(frame)
    assert model.sample(2).shape == (2, 6)
    assert model.score_samples(frame[:3]).shape == (3,)
    assert model.feature_names_in_.tolist() == list("abcdef")


def test_classes_condition_codes_and_the_classifier_uses_them():
    X, y = load_iris(return_X_y=True)
    classifier = DiffusionClassifier(
        hidden_layer_sizes=(32, 32), encoder=PCA(2), max_iter=300, random_state=0
    ).fit(X, y)
    assert classifier.score(X, y) > 0.9
    drawn = classifier.sample(40, y=0)
    assert drawn.shape == (40, 4)
    assert np.linalg.norm(drawn.mean(axis=0) - X[y == 0].mean(axis=0)) < 0.5


def test_grid_search_reaches_into_the_encoder(plane):
    model = DiffusionModel(**TINY, encoder=PCA(2))
    search = GridSearchCV(model, {"encoder__n_components": [1, 2]}, cv=2).fit(plane)
    assert search.best_estimator_.encoder_.n_components_ in (1, 2)


def test_codes_may_be_images(plane):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 40))
    model = DiffusionModel(
        hidden_layer_sizes=(4,), image_shape=(1, 3, 4), encoder=PCA(12), max_iter=2, random_state=0
    ).fit(X)
    assert model.sample(2).shape == (2, 40)
    with pytest.raises(ValueError, match="does not fit the number of code columns=12"):
        model.set_params(image_shape=(1, 4, 4)).fit(X)


def test_there_is_no_impute_in_the_space_of_codes(model):
    assert not hasattr(model, "impute") and hasattr(DiffusionModel(), "impute")
    with pytest.raises(AttributeError, match="impute"):
        model.impute([[np.nan] * 6])
    with pytest.raises(ValueError, match="`conditions` were given"):
        model.sample(2, conditions={0: 1.0})


@pytest.mark.parametrize(
    "encoder",
    [GaussianRandomProjection(2).inverse_transform, StandardScaler, "pca", DiffusionModel],
)
def test_what_is_no_encoder_is_refused(encoder, plane):
    with pytest.raises(
        TypeError, match=r"`encoder`=.*has no method.*Allowed: None, or an instance"
    ):
        DiffusionModel(**TINY, encoder=encoder).fit(plane)


def test_encoder_without_an_inverse_is_refused(plane):
    from sklearn.kernel_approximation import Nystroem

    with pytest.raises(TypeError, match="inverse_transform"):
        DiffusionModel(**TINY, encoder=Nystroem()).fit(plane)
    with pytest.raises(NotFittedError):
        DiffusionModel(encoder=PCA(2)).sample()


def test_missing_values_are_refused_by_an_encoder_that_knows_none(model, plane):
    X = plane.copy()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.score_samples(X)


@pytest.mark.parametrize(
    "encoder",
    [
        PCA(2),
        make_pipeline(StandardScaler(), PCA(2)),
        VAE(2, hidden_layer_sizes=(8,), max_iter=3),
        AutoEncoder(2, hidden_layer_sizes=(8,), max_iter=3),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_saved_model_holds_its_encoder(encoder, plane, tmp_path):
    model = DiffusionModel(**TINY, encoder=encoder).fit(plane)
    model.save(tmp_path / "model")
    loaded = DiffusionModel.load(tmp_path / "model")
    assert loaded.encoder is loaded.encoder_ and type(loaded.encoder_) is type(encoder)
    np.testing.assert_array_equal(loaded.sample(5), model.sample(5))
    np.testing.assert_array_equal(loaded.score_samples(plane[:3]), model.score_samples(plane[:3]))
    loaded.partial_fit(plane)


def test_encoder_of_another_kind_is_given_again_to_load(plane, tmp_path):
    encoder = FastICA(2, random_state=0).fit(plane)
    model = DiffusionModel(**TINY, encoder=encoder).fit(plane)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="`encoder` as it was given"):
        DiffusionModel.load(tmp_path / "model")
    loaded = DiffusionModel.load(tmp_path / "model", encoder=encoder)
    np.testing.assert_array_equal(loaded.sample(5), model.sample(5))


@pytest.mark.parametrize("attribute", ["categorical_features"])
def test_parameters_of_tables_are_refused_with_an_encoder(attribute, plane):
    with pytest.raises(ValueError, match=f"`{attribute}`"):
        DiffusionModel(**TINY, encoder=PCA(2)).set_params(**{attribute: [0]}).fit(plane)
