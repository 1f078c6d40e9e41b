"""AutoEncoder and AutoEncoderDetector: PCA, denoising, images, networks of one's own, outliers."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_extra_ml._torch import _blocks
from sklearn_extra_ml.neural_network import AutoEncoder, AutoEncoderDetector

LINEAR = {"hidden_layer_sizes": (), "alpha": 0.0, "learning_rate_init": 1e-2, "random_state": 0}


def mse(model, X):
    return float(np.mean((model.predict(X) - X) ** 2))


@pytest.mark.parametrize(("k", "anchor"), [(2, 0.0528), (10, 0.0197), (20, 0.0082)])
def test_linear_autoencoder_reaches_the_error_of_pca(k, anchor, digits):
    train, test, *_ = digits
    pca = PCA(k).fit(train)
    error = np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2)
    assert error == pytest.approx(anchor, abs=5e-5)
    model = AutoEncoder(k, max_iter=250, **LINEAR).fit(train)
    assert mse(model, test) <= 1.02 * error


def test_linear_autoencoder_spans_the_space_of_pca(digits):
    train, *_ = digits
    model = AutoEncoder(3, max_iter=300, **LINEAR).fit(train)
    decoder = model.net_.module_.decoder[-1].weight.detach().numpy()
    basis, _ = np.linalg.qr(decoder.astype(float))
    cosines = np.linalg.svd(PCA(3).fit(train).components_ @ basis, compute_uv=False)
    assert cosines.min() > 0.999


@pytest.mark.parametrize(("k", "bar"), [(2, 0.040), (10, 0.014)])
def test_autoencoder_by_default_beats_pca(k, bar, digits):
    train, test, *_ = digits
    model = AutoEncoder(k, random_state=0).fit(train)
    assert mse(model, test) < bar
    assert model.score(test) == pytest.approx(-mse(model, test), rel=1e-4)


def test_code_keeps_what_a_classifier_needs(digits):
    train, test, y_train, y_test = digits
    model = AutoEncoder(16, noise="gaussian", noise_scale=0.5, random_state=0)
    pipeline = make_pipeline(model, LogisticRegression(max_iter=5000))
    assert pipeline.fit(train, y_train).score(test, y_test) >= 0.955


@pytest.mark.parametrize(
    ("noise", "scale", "of_plain", "of_corrupted"),
    [("gaussian", 0.8, 0.55, 0.45), ("masking", 0.3, 0.7, 0.75)],
)
def test_denoising_restores_corrupted_rows_better_than_plain_training_does(
    noise, scale, of_plain, of_corrupted, digits, rng
):
    train, test, *_ = digits
    model = AutoEncoder(16, noise=noise, noise_scale=scale, random_state=0).fit(train)
    plain = clone(model).set_params(noise=None).fit(train)
    if noise == "gaussian":
        corrupted = test + scale * model._standardizer.scale[0] * rng.normal(size=test.shape)
    else:
        corrupted = np.where(rng.random(test.shape) < scale, train.mean(axis=0), test)

    def error(model):
        return np.mean((model.predict(corrupted) - test) ** 2)

    assert error(model) < of_plain * error(plain)
    assert error(model) < of_corrupted * np.mean((corrupted - test) ** 2)


def test_score_is_in_units_of_the_input_and_predict_inverts_the_scale(digits):
    train, test, *_ = digits
    model = AutoEncoder(4, max_iter=20, random_state=0).fit(train)
    scaled = clone(model).fit(100 * train + 7)
    np.testing.assert_allclose(
        scaled.predict(100 * test + 7), 100 * model.predict(test) + 7, atol=0.5
    )
    np.testing.assert_allclose(
        scaled.score_samples(100 * test + 7), 1e4 * model.score_samples(test), rtol=0.05
    )
    expected = -np.mean((model.predict(test) - test) ** 2, axis=1)
    np.testing.assert_allclose(model.score_samples(test), expected, rtol=1e-3)


def test_column_standardisation_weighs_columns_alike(rng):
    X = rng.normal(size=(300, 1)) @ np.ones((1, 4)) + 0.1 * rng.normal(size=(300, 4))
    X = X * [1, 10, 100, 1000]
    model = AutoEncoder(1, standardize="column", max_iter=150, random_state=0).fit(X)
    error = np.mean((model.predict(X) - X) ** 2, axis=0) / X.var(axis=0)
    assert error.max() < 0.05
    rows = (X - X.mean(axis=0)) / X.std(axis=0)
    restored = (model.predict(X) - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(
        model.score_samples(X), -np.mean((rows - restored) ** 2, axis=1), rtol=0.01, atol=1e-5
    )


@pytest.mark.parametrize("standardize", ["global", "column", False])
def test_transform_and_inverse_compose_to_predict(standardize, digits):
    train, test, *_ = digits
    model = AutoEncoder(3, standardize=standardize, max_iter=3, random_state=0).fit(train)
    Z = model.transform(test)
    assert Z.dtype == np.float32
    assert Z.shape == (len(test), 3)
    np.testing.assert_allclose(
        model.inverse_transform(Z), model.predict(test), rtol=1e-4, atol=1e-5
    )
    assert list(model.get_feature_names_out()) == [f"autoencoder{i}" for i in range(3)]
    with pytest.raises(ValueError, match="X has 5 columns, but the code has 3"):
        model.inverse_transform(np.zeros((2, 5)))


def test_result_of_a_row_does_not_depend_on_the_rows_beside_it(digits):
    train, test, *_ = digits
    model = AutoEncoder(3, normalization="batch", dropout=0.1, max_iter=5, random_state=0).fit(
        train
    )
    whole = model.predict(test)
    for part in (slice(0, 1), slice(7, 40)):
        np.testing.assert_allclose(model.predict(test[part]), whole[part], rtol=1e-4, atol=1e-5)


def test_tied_weights_are_shared_and_stay_so_in_copies(digits):
    import copy

    train, test, *_ = digits
    model = AutoEncoder(5, tied_weights=True, max_iter=30, random_state=0).fit(train)
    names = dict(model.net_.module_.named_parameters())
    assert not [n for n in names if n.startswith("decoder") and "weight" in n]
    copied = copy.deepcopy(model).partial_fit(train)
    module = copied.net_.module_
    first = next(layer for layer in module.encoder if isinstance(layer, torch.nn.Linear))
    assert module.decoder._encoder_layers[-1] is first
    assert mse(model, test) < np.var(test)


def test_sparsity_makes_codes_smaller(digits):
    train, *_ = digits
    sizes = [
        np.abs(AutoEncoder(8, sparsity=s, max_iter=30, random_state=0).fit_transform(train)).mean()
        for s in (0.0, 1.0)
    ]
    assert sizes[1] < 0.5 * sizes[0]


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 8), (1, 64, 1), (4, 3, 3)])
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_convolutional_networks_fit_images_of_any_shape(shape, normalization, rng):
    X = rng.normal(size=(40, int(np.prod(shape))))
    model = AutoEncoder(
        2,
        image_shape=shape,
        hidden_layer_sizes=(4, 6),
        normalization=normalization,
        dropout=0.1,
        max_iter=2,
        random_state=0,
    ).fit(X)
    assert model.predict(X).shape == X.shape
    layers = model.net_.module_.encoder
    assert [layer.out_channels for layer in layers if isinstance(layer, torch.nn.Conv2d)] == [4, 6]


@pytest.mark.usefixtures("one_thread")
def test_convolutional_autoencoder_by_default_restores_digits_twice_as_well_as_pca(digits):
    train, test, *_ = digits
    model = AutoEncoder(10, image_shape=(1, 8, 8), random_state=0).fit(train)
    pca = PCA(10).fit(train)
    error = np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2)
    assert mse(model, test) < 0.55 * error


def test_image_shape_that_does_not_fit_is_refused(digits):
    with pytest.raises(ValueError, match=r"`image_shape`=\(1, 8, 9\) does not fit n_features=64"):
        AutoEncoder(image_shape=(1, 8, 9)).fit(digits[0])
    with pytest.raises(ValueError, match="`tied_weights`=True is for dense networks"):
        AutoEncoder(image_shape=(1, 8, 8), tied_weights=True).fit(digits[0])


class Network(torch.nn.Module):
    """A user's network, at module level so that it pickles."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.into = torch.nn.Linear(n_features, n_components)
        self.back = torch.nn.Linear(n_components, n_features)

    def encode(self, X):
        return self.into(X)

    def decode(self, Z):
        return self.back(Z)


def make_network(n_features, n_components):
    return Network(n_features, n_components)


@pytest.mark.parametrize(
    "module", [Network, make_network, Network(64, 3)], ids=["class", "factory", "instance"]
)
def test_network_of_ones_own_is_trained_and_the_given_one_left_alone(module, digits, tmp_path):
    import pickle

    train, test, *_ = digits
    before = None
    if isinstance(module, torch.nn.Module):
        before = [p.detach().clone() for p in module.parameters()]
    model = AutoEncoder(3, module=module, max_iter=60, learning_rate_init=0.01, random_state=0)
    model.fit(train)
    assert isinstance(model.net_.module_.network, Network)
    assert mse(model, test) < 0.9 * np.mean((test - train.mean(axis=0)) ** 2)
    if before is not None:
        for p, kept in zip(module.parameters(), before, strict=True):
            assert torch.equal(p, kept)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(test), model.predict(test))
    loaded.partial_fit(train)
    assert mse(loaded, test) != mse(model, test)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match="`module` as it was given"):
        AutoEncoder.load(tmp_path / "m")
    again = AutoEncoder.load(tmp_path / "m", module=module)
    np.testing.assert_array_equal(again.predict(test), model.predict(test))


def test_network_of_the_wrong_shape_or_kind_is_refused(digits):
    train = digits[0]
    with pytest.raises(ValueError, match=r"`module`: encode returned shape \(2, 5\) for 2 rows"):
        AutoEncoder(3, module=Network(64, 5)).fit(train)
    with pytest.raises(ValueError, match=r"`module`: forward returned shape \(2, 60\)"):
        AutoEncoder(3, module=lambda d, k: Wrong()).fit(train)
    with pytest.raises(TypeError, match=r"`module` \(Linear\) has no method 'encode'"):
        AutoEncoder(3, module=torch.nn.Linear(64, 3)).fit(train)
    with pytest.raises(TypeError, match=r"`module` returned a dict"):
        AutoEncoder(3, module=lambda d, k: {}).fit(train)


class Wrong(Network):
    def __init__(self):
        super().__init__(64, 3)
        self.back = torch.nn.Linear(3, 60)


def test_sizes_that_are_none_are_refused(digits):
    with pytest.raises(ValueError, match=r"`hidden_layer_sizes`=\(8, 0\) has an entry"):
        AutoEncoder(hidden_layer_sizes=(8, 0)).fit(digits[0])
    with pytest.raises(ValueError, match=r"`noise_scale`=2.0 is no share of entries"):
        AutoEncoder(noise="masking", noise_scale=2.0).fit(digits[0])
    one, same = (AutoEncoder(hidden_layer_sizes=h, max_iter=1, random_state=0) for h in (8, (8,)))
    np.testing.assert_array_equal(one.fit_transform(digits[0]), same.fit_transform(digits[0]))


# --- blocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _blocks.ACTIVATIONS)
def test_initial_weights_keep_the_variance_of_what_passes_ten_layers(name):
    torch.manual_seed(0)
    with torch.no_grad():
        h = torch.randn(2000, 256)
        for _ in range(10):
            h = _blocks.ACTIVATIONS[name]()(_blocks.linear(256, 256, name)(h))
    spread = h.std() if name != "sigmoid" else 2 * h.std()
    assert 0.05 < spread < 5


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_stages_of_images_hold_residual_blocks_that_start_as_the_identity(normalization):
    shape, options = (2, 9, 6), {"normalization": normalization, "dropout": 0.2}
    encoder = _blocks.conv_encoder(shape, (4, 8), 3, "silu", **options).eval()
    decoder = _blocks.conv_decoder(shape, (4, 8), 3, "silu", **options).eval()
    norms = {None: torch.nn.Identity, "batch": torch.nn.BatchNorm2d, "layer": torch.nn.GroupNorm}
    for network, widths in ((encoder, [4, 8]), (decoder, [8, 4])):
        own = [part for part in network if isinstance(part, _blocks.ConvBlock)]
        assert [block.last.out_channels for block in own] == widths
        for block in own:
            assert type(block.norm_in) is type(block.norm_out) is norms[normalization]
            h = torch.randn(3, block.last.out_channels, 5, 4)
            torch.testing.assert_close(block(h), h)
            torch.nn.init.ones_(block.last.weight)
            assert not torch.allclose(block(h), h)
    rows = torch.randn(7, 108)
    assert encoder(rows).shape == (7, 3)
    assert decoder(encoder(rows)).shape == rows.shape


# --- outliers --------------------------------------------------------------------------------------


def test_detector_finds_rows_off_the_curve(rng):
    """A bent sheet in 10 features; outliers have the same marginals, shuffled column by column."""
    t = rng.uniform(-1, 1, size=(600, 2))
    X = np.column_stack([t, t**2, np.sin(3 * t), t[:, :1] * t[:, 1:], np.cos(2 * t), t[:, :1] ** 3])
    X += 0.02 * rng.normal(size=X.shape)
    outliers = np.column_stack([rng.permutation(column)[:60] for column in X.T])
    data, truth = np.vstack([X, outliers]), np.repeat([0, 1], [600, 60])
    detector = AutoEncoderDetector(2, contamination=60 / 660, max_iter=150, random_state=0)
    detector.fit(data)
    assert roc_auc_score(truth, -detector.score_samples(data)) > 0.97
    assert roc_auc_score(truth, -detector.score_samples(data)) > roc_auc_score(
        truth, -IsolationForest(random_state=0).fit(data).score_samples(data)
    )
    assert np.sum(detector.predict(data) == -1) == 60


def test_detector_raises_few_alarms_on_new_rows_of_the_same_kind():
    """One network on all rows restores those so well that its threshold rejects nearly every new one."""
    X, y = load_digits(return_X_y=True)
    X, y = X[y <= 3], y[y <= 3]
    known = np.arange(len(X)) % 2 == 0
    detector = AutoEncoderDetector(8, random_state=0).fit(X[known])
    assert np.mean(detector.predict(X[~known]) == -1) < 0.2
    one = AutoEncoder(8, random_state=0).fit(X[known])
    threshold = np.quantile(one.score_samples(X[known]), 0.1)
    assert np.mean(one.score_samples(X[~known]) < threshold) > 0.5


def test_each_network_of_a_detector_learns_from_one_half(blob):
    rows = np.arange(14.0, dtype=np.float32).reshape(7, 2)
    detector = AutoEncoderDetector(1)
    pairs = detector._training_rows(rows)
    assert pairs.shape == (4, 4)
    halves = [{tuple(row) for row in half} for half in (pairs[:, :2], pairs[:, 2:])]
    assert halves[0] | halves[1] == {tuple(row) for row in rows}
    assert len(halves[0] & halves[1]) == 1  # the odd one
    detector = AutoEncoderDetector(2, max_iter=2, random_state=0).fit(blob)
    pair = detector.net_.module_
    rows = torch.from_numpy(detector._standardizer.transform(blob)).double()
    errors = [part.double().row_errors(rows) for part in (pair.first, pair.second)]
    np.testing.assert_allclose(
        -detector.score_samples(blob),
        torch.stack(errors).amax(dim=0).detach() * detector._standardizer.scale[0] ** 2,
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_detector_of_a_few_rows(n, rng):
    X = rng.normal(size=(n, 3))
    assert AutoEncoderDetector(1, max_iter=2, random_state=0).fit(X).predict(X).shape == (n,)


def test_detector_is_consistent_with_itself(blob):
    detector = AutoEncoderDetector(2, contamination=0.2, max_iter=10, random_state=0).fit(blob)
    decision = detector.decision_function(blob)
    np.testing.assert_allclose(decision, detector.score_samples(blob) - detector.offset_)
    np.testing.assert_array_equal(detector.predict(blob), np.where(decision < 0, -1, 1))
    assert np.sum(decision < 0) == 40
    fresh = clone(detector)
    np.testing.assert_array_equal(fresh.fit_predict(blob), detector.predict(blob))
    detector.partial_fit(blob)
    assert np.sum(detector.predict(blob) == -1) == 40


def test_detector_saves_and_loads_its_offset(blob, tmp_path):
    detector = AutoEncoderDetector(2, max_iter=5, random_state=0).fit(blob)
    detector.save(tmp_path / "d")
    loaded = AutoEncoderDetector.load(tmp_path / "d")
    np.testing.assert_array_equal(loaded.predict(blob), detector.predict(blob))
    with pytest.raises(ValueError, match="is a model of class AutoEncoderDetector"):
        AutoEncoder.load(tmp_path / "d")


def test_no_warning_escapes_a_usual_fit(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoEncoder(max_iter=2, random_state=0).fit(digits[0]).predict(digits[1])
