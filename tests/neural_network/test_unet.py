"""The U-Net, and diffusion models of images."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from sklearn_extra_ml._torch import _probability_flow
from sklearn_extra_ml._torch._unet import Attention, UNet
from sklearn_extra_ml.neural_network import AutoEncoder, DiffusionClassifier, DiffusionModel

SIDE = 8
TINY = {
    "image_shape": (1, SIDE, SIDE),
    "hidden_layer_sizes": (4, 8),
    "max_iter": 2,
    "random_state": 0,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """More threads only wait for each other on networks as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_bars(n, rng):
    """Images with one bright row ("flat") or column ("tall"), noise, and a dark frame of one pixel."""
    images = 0.1 * rng.normal(size=(n, SIDE, SIDE))
    kind = rng.choice(["flat", "tall"], size=n)
    position = rng.integers(1, SIDE - 1, size=n)
    for image, own, i in zip(images, kind, position, strict=True):
        image[(i, slice(None)) if own == "flat" else (slice(None), i)] += 1
    images[:, [0, -1]] = images[:, :, [0, -1]] = 0.0
    return 5 + 3 * images.reshape(n, -1), kind


@pytest.fixture(scope="module")
def bars():
    return make_bars(400, np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(bars):
    return DiffusionModel(
        image_shape=(1, SIDE, SIDE),
        hidden_layer_sizes=(8, 16),
        batch_size=100,
        max_iter=100,
        learning_rate_init=5e-3,
        ema_decay=0.99,
        random_state=0,
    ).fit(*bars)


def random_unet(*args, **kwargs):
    torch.manual_seed(0)
    network = UNet(*args, **kwargs)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


# --- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize(
    ("shape", "channels", "n_blocks"),
    [
        ((1, 8, 8), (4, 8), 1),
        ((3, 9, 7), (4, 6, 8), 2),
        ((2, 8, 13), (5, 7), 1),
        ((1, 28, 28), (4, 4, 4, 4), 1),
        ((1, 2, 3), (4,), 3),
    ],
)
def test_unet_returns_the_shape_of_its_rows_for_any_size(shape, channels, n_blocks, attention):
    network = random_unet(shape, channels, n_blocks, n_context=3, attention=attention)
    u = torch.randn(5, int(np.prod(shape)), requires_grad=True)
    out = network(u, torch.zeros(5, 1), torch.randn(5, 3))
    assert out.shape == u.shape and out.isfinite().all()
    (gradient,) = torch.autograd.grad(out[0].sum(), u)
    assert (gradient[0] != 0).all() and (gradient[1:] == 0).all()


def test_new_unet_returns_zero_and_ignores_its_context():
    torch.manual_seed(0)
    network = UNet((1, 8, 8), (4, 8), n_context=3, attention=True)
    u, level = torch.randn(4, 64), torch.zeros(4, 1)
    assert (network(u, level, torch.randn(4, 3)) == 0).all()
    torch.nn.init.normal_(network.outer.weight)
    first, second = (network(u, level, torch.randn(4, 3)) for _ in range(2))
    assert torch.equal(first, second) and (first != 0).any()


def test_context_multiplies_and_noise_level_is_added():
    network = random_unet((1, 8, 8), (4, 8), n_context=2).double()
    u, context = torch.randn(3, 64).double(), torch.randn(3, 2).double()

    def at(level, context):
        return network(u, torch.full((1, 1), level).double(), context)

    assert not torch.allclose(at(0.0, context), at(1.0, context))
    with torch.no_grad():
        for layer in network.embedding.scales:
            layer.weight.zero_()
            layer.bias.fill_(-1.0)  # factor 0: what is added for the level is multiplied away
    torch.testing.assert_close(at(0.0, context), at(1.0, -context), rtol=0, atol=0)


def test_rows_do_not_see_each_other_in_the_unet():
    network = random_unet((2, 9, 8), (8, 16), n_context=3, attention=True)
    u, level, context = torch.randn(11, 144), torch.randn(11, 1), torch.randn(11, 3)
    with torch.no_grad():
        whole = network(u, level, context)
        alone = torch.cat(
            [network(*(t[i : i + 1] for t in (u, level, context))) for i in range(11)]
        )
    torch.testing.assert_close(whole, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_context", [0, 3])
def test_attention_equals_its_formula(n_context):
    torch.manual_seed(0)
    block = Attention(64, n_context)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    h, context = torch.randn(2, 64, 2, 3), torch.randn(2, max(n_context, 1))
    assert block.n_heads == 2
    found = block(h, context).detach().numpy()

    def apply(layer, x):
        return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()

    pixels = block.norm(h).detach().numpy().reshape(2, 64, 6).transpose(0, 2, 1)
    for i in range(2):
        source = pixels[i]
        if n_context:
            slope, offset = block.tokens.detach().numpy()
            source = context[i].numpy()[:, None] * slope + offset
        query, pair = apply(block.query, pixels[i]), apply(block.key_value, source)
        mixed = np.empty((6, 64))
        for start in (0, 32):
            own = slice(start, start + 32)
            weights = np.exp(query[:, own] @ pair[:, :64][:, own].T / np.sqrt(32))
            weights /= weights.sum(axis=1, keepdims=True)
            mixed[:, own] = weights @ pair[:, 64:][:, own]
        expected = h[i].numpy() + apply(block.last, mixed).T.reshape(64, 2, 3)
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)


# --- the model -----------------------------------------------------------------------------------


def test_images_of_a_class_are_told_apart_as_the_real_ones(model, bars):
    X, y = bars
    judge = KNeighborsClassifier().fit(X, y)
    drawn = np.repeat(["flat", "tall"], 50)
    images = model.sample(100, drawn)
    assert images.shape == (100, SIDE**2) and images.dtype == np.float32
    assert judge.score(images, drawn) >= 0.95
    brightest = images.max(axis=1)
    assert abs(np.median(brightest) - np.median(X.max(axis=1))) < 1.0


@pytest.mark.parametrize(("sampler", "n_steps"), [("ddim", 20), ("ddpm", 100), ("heun", 10)])
def test_every_sampler_draws_from_the_same_fitted_model(sampler, n_steps, model, bars):
    judge = KNeighborsClassifier().fit(*bars)
    other = pickle.loads(pickle.dumps(model)).set_params(sampler=sampler, guidance_scale=1.5)
    images = other.sample(40, "tall", n_steps=n_steps)
    assert judge.score(images, ["tall"] * 40) >= 0.95


def test_hidden_half_of_an_image_is_drawn_to_fit_the_other(model, bars):
    X, y = bars
    images = X[y == "tall"][:20].reshape(-1, SIDE, SIDE).copy()
    columns = images[:, 1].argmax(axis=1)
    images[:, SIDE // 2 :] = np.nan
    before = images.copy()
    filled = model.impute(images.reshape(20, -1), "tall").reshape(before.shape)
    np.testing.assert_array_equal(filled[:, : SIDE // 2], before[:, : SIDE // 2])
    assert np.isfinite(filled).all()
    assert np.mean(filled[:, -3:-1].mean(axis=1).argmax(axis=1) == columns) >= 0.8


def test_density_tells_images_from_their_shuffled_pixels_in_units_of_the_pixels(bars):
    X, y = bars
    options = TINY | {"max_iter": 40, "n_ode_steps": 4, "learning_rate_init": 5e-3}
    own = DiffusionModel(**options).fit(X, y)
    scores = own.score_samples(X[:8])
    shuffled = np.random.default_rng(0).permuted(X[:8], axis=1)
    assert (scores > own.score_samples(shuffled)).all()
    wide = DiffusionModel(**options).fit(8 * X, y)
    np.testing.assert_allclose(
        wide.score_samples(8 * X[:8]), scores - SIDE**2 * np.log(8), rtol=1e-4
    )


def test_density_by_two_probes_is_near_that_by_the_exact_trace(bars, monkeypatch):
    """By a root mean square of 0.21 nats; two independent probes at each step err by 0.45 to 0.85."""
    X, y = bars
    options = {"max_iter": 40, "n_ode_steps": 16, "learning_rate_init": 5e-3}
    own = DiffusionModel(**TINY | options).fit(X, y)
    estimated = own.score_samples(X[:8])
    exact_probes = _probability_flow.probes_for
    monkeypatch.setattr(
        _probability_flow, "probes_for", lambda d, like, n_fresh: exact_probes(d, like)
    )
    error = estimated - own.score_samples(X[:8])
    assert np.sqrt(np.mean(error**2)) < 0.35
    assert np.abs(error).max() < 0.7


def test_density_of_images_in_single_precision_is_that_in_double(bars):
    X, y = bars
    own = DiffusionModel(**TINY | {"max_iter": 40, "n_ode_steps": 8}).fit(X, y)
    rows = torch.from_numpy(own._table.transform(X[:8]))
    grid = _probability_flow.flow_grid(8, *own._range())
    with torch.no_grad():
        denoiser = pickle.loads(pickle.dumps(own.net_.inference_module)).double()
        seen = rows.new_zeros(len(rows), 3)
        exact = _probability_flow.log_density(
            partial(denoiser.field, context=seen),
            partial(denoiser.field_and_trace, context=seen),
            rows.double(),
            grid,
            _probability_flow.N_FRESH_PROBES,
        )
    found = own.score_samples(X[:8]) - own._table.log_jacobian(X[:8])
    np.testing.assert_allclose(found, exact, atol=0.01)


@pytest.mark.parametrize("n_features", [1, 5, 64, 100])
def test_fresh_probes_are_signs_that_count_each_direction_once(n_features):
    size = 1 << (n_features - 1).bit_length()
    probes = _probability_flow.probes_for(n_features, torch.zeros(()).double(), 2)
    drawn = [probes()[0] for _ in range(2 * max(1, size // 2))]  # two passes
    for half in (drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]):
        rows = torch.cat(half)
        assert (rows.abs() == 1).all()
        torch.testing.assert_close(rows.T @ rows, size * torch.eye(n_features).double())
    if n_features == 64:
        assert not torch.equal(drawn[0], drawn[len(drawn) // 2])


def test_noise_of_images_leads_back_to_them(bars):
    X, y = bars
    own = DiffusionModel(**TINY | {"n_ode_steps": 12, "max_iter": 20}).fit(X, y)
    noise = own.transform(X[:5], y[:5])
    assert noise.shape == (5, SIDE**2)
    np.testing.assert_allclose(own.inverse_transform(noise, y[:5]), X[:5], atol=0.05)


def test_pixels_share_one_scale_and_constant_ones_stay(model, bars):
    X, _ = bars
    assert np.unique(model._table.scale).size == 1
    assert model.n_features_in_ == model.transform(X[:1]).shape[1] == SIDE**2
    frame = model.sample(20).reshape(-1, SIDE, SIDE)[:, 0]
    np.testing.assert_array_equal(frame, 5.0)


def test_frames_of_pixels_come_back_as_frames(bars):
    X, y = bars
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(SIDE**2)])
    drawn = DiffusionModel(**TINY).fit(frame, y).sample(3)
    assert list(drawn.columns) == list(frame.columns)
    frame["pixel 0"] = pd.Categorical(["black"] * len(frame))
    with pytest.raises(ValueError, match="columns of categories"):
        DiffusionModel(**TINY).fit(frame, y)


def test_stored_model_of_images_draws_the_same(model, tmp_path):
    expected = model.sample(3, random_state=1)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).sample(3, random_state=1), expected
    )
    model.save(tmp_path / "model")
    loaded = DiffusionModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.sample(3, random_state=1), expected)


@pytest.mark.parametrize(
    "options",
    [{"attention": True, "dropout": 0.2}, {"parameterization": "eps"}, {"n_ode_steps": 2}],
)
def test_fit_of_images_repeats_bit_for_bit_and_goes_on(options, bars):
    X, y = bars
    first, second = (DiffusionModel(**TINY, **options).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.sample(4, random_state=0), second.sample(4, random_state=0))
    np.testing.assert_array_equal(first.score_samples(X[:2]), second.score_samples(X[:2]))
    first.partial_fit(X, y)
    assert len(first.loss_curve_) == 3


def test_default_network_of_images_is_a_unet_of_its_own_sizes(bars):
    X, y = bars
    network = DiffusionModel(image_shape=[1, 8, 8], max_iter=1).fit(X, y).net_.module_.network
    assert isinstance(network, UNet) and network.channels == (32, 64)


def test_classifier_of_images_finds_the_class(bars):
    X, y = bars
    classifier = DiffusionClassifier(
        image_shape=(1, SIDE, SIDE),
        hidden_layer_sizes=(8, 16),
        batch_size=100,
        max_iter=40,
        learning_rate_init=5e-3,
        ema_decay=0.99,
        n_error_levels=8,
        n_error_draws=2,
        random_state=0,
    ).fit(X, y)
    new, kinds = make_bars(60, np.random.default_rng(1))
    assert classifier.score(new, kinds) >= 0.95


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (1, 8, 9)}, "`image_shape`=.*does not fit n_features=64"),
        ({"image_shape": (64,)}, "channels, height, width"),
        ({"hidden_layer_sizes": (4, 4, 4, 4)}, "too small for 4 levels.*fewer channels"),
        ({"image_shape": (16, 2, 2)}, "too small for 2 levels"),
        ({"image_shape": None, "attention": True}, "`attention`=True is for images"),
        ({"categorical_features": [0]}, "`categorical_features`"),
    ],
)
@pytest.mark.parametrize("cls", [DiffusionModel, DiffusionClassifier])
def test_images_that_do_not_fit_are_refused(cls, changes, message, bars):
    with pytest.raises(ValueError, match=message):
        cls(**TINY | changes).fit(*bars)


def test_missing_pixels_are_refused_but_where_they_are_drawn(model, bars):
    X, y = bars
    X = X[:10].copy()
    X[3, 12] = np.nan
    for call in (DiffusionModel(**TINY).fit, model.score_samples, model.transform, model.predict):
        with pytest.raises(ValueError, match="NaN"):
            call(X, y[:10])
    with pytest.raises(ValueError, match="Images must be complete"):
        DiffusionModel(**TINY).fit(pd.DataFrame(X), y[:10])


class Greedy(torch.nn.Module):
    """A network that asks for more memory than there is."""

    def __init__(self, n_features, n_context):
        super().__init__()
        self.layer = torch.nn.Linear(n_features, n_features)

    def forward(self, u, log_sigma, context=None):
        if len(u) > 2:  # the first look at its shape may pass
            torch.empty(1 << 58)
        return self.layer(u)


class Full(Greedy):
    """A network on a GPU that is full."""

    def forward(self, u, log_sigma, context=None):
        if len(u) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return self.layer(u)


@pytest.mark.parametrize("module", [Greedy, Full])
def test_batch_that_does_not_fit_the_memory_says_what_to_change(module, bars):
    X, _ = bars
    model = DiffusionModel(module=module, batch_size=50, max_iter=1)
    with pytest.raises(MemoryError, match=r"`batch_size`=50 does not fit.*Lower `batch_size`"):
        model.fit(X)
    small = DiffusionModel(module=module, batch_size=2, max_iter=1).fit(X)
    with pytest.raises(MemoryError, match="A block of samples does not fit"):
        small.sample(3)


def test_other_errors_of_a_network_are_left_alone(bars):
    class Broken(Greedy):
        def forward(self, u, log_sigma, context=None):
            if len(u) > 2:
                raise RuntimeError("something else")
            return self.layer(u)

    with pytest.raises(RuntimeError, match="something else"):
        DiffusionModel(module=Broken, max_iter=1).fit(bars[0])


def test_autoencoder_of_images_is_an_encoder_for_them(bars):
    X, _ = bars
    encoder = AutoEncoder(
        4, image_shape=(1, SIDE, SIDE), hidden_layer_sizes=(4,), max_iter=3, random_state=0
    )
    latent = DiffusionModel((8,), encoder=encoder, max_iter=3, random_state=0).fit(X)
    assert latent.sample(3).shape == (3, SIDE**2)
