"""What only a GPU can show; `conftest.py` collects this file where there is one."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sklearn_extra_ml.neural_network import DiffusionModel

SMALL = {
    "image_shape": (1, 8, 8),
    "hidden_layer_sizes": (16, 32),
    "max_iter": 30,
    "random_state": 0,
    "device": "cuda",
}


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def model(digits):
    return DiffusionModel(**SMALL, cuda_graph=True).fit(*digits)


def test_graphed_training_of_images_equals_the_eager_one(model, digits):
    eager = DiffusionModel(**SMALL, cuda_graph=False).fit(*digits)
    np.testing.assert_allclose(model.loss_curve_, eager.loss_curve_, rtol=0.05)


@pytest.mark.parametrize("options", [{}, {"guidance_scale": 2.0}, {"sampler": "ddpm"}])
@pytest.mark.parametrize("n", [3, 300])
def test_graphed_sampler_equals_the_eager_one(options, n, model, digits):
    eager = pickle.loads(pickle.dumps(model)).set_params(**options)
    eager.net_.plan = eager.net_.plan.__class__(**vars(eager.net_.plan) | {"cuda_graph": False})
    graphed = pickle.loads(pickle.dumps(model)).set_params(**options)
    y = np.arange(n) % 10
    expected = eager.sample(n, y, random_state=1)
    for _ in range(2):  # captured, and taken from the net
        found = graphed.sample(n, y, random_state=1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert len(vars(graphed.net_)["_sampler_graphs"]) == 1
    # other contexts with the same graph
    found = graphed.sample(n, y[::-1], random_state=1)
    np.testing.assert_allclose(
        found, eager.sample(n, y[::-1], random_state=1), rtol=1e-4, atol=1e-3
    )


def test_sampler_leaves_the_generators_alone(model):
    torch.cuda.manual_seed(5)
    torch.manual_seed(5)
    states = torch.cuda.get_rng_state(), torch.get_rng_state()
    pickle.loads(pickle.dumps(model)).sample(7)
    for before, after in zip(
        states, (torch.cuda.get_rng_state(), torch.get_rng_state()), strict=True
    ):
        assert torch.equal(before, after)


def test_graphs_follow_the_weights_of_a_partial_fit(model, digits):
    other = pickle.loads(pickle.dumps(model))
    other.sample(20, random_state=1)
    other.partial_fit(*digits)
    twin = pickle.loads(pickle.dumps(other))
    np.testing.assert_allclose(
        other.sample(20, random_state=1), twin.sample(20, random_state=1), rtol=1e-4, atol=1e-3
    )


def test_network_that_cannot_be_captured_samples_eagerly(digits):
    X, _ = digits

    class Waits(torch.nn.Module):
        def __init__(self, n_features, n_context):
            super().__init__()
            self.layer = torch.nn.Linear(n_features, n_features)

        def forward(self, u, log_sigma, context=None):
            return self.layer(u) / max(float(u.abs().max()), 1.0)  # waits for the device

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = DiffusionModel(module=Waits, device="cuda", max_iter=3, random_state=0).fit(X)
    with pytest.warns(UserWarning, match="sampler could not be captured"):
        assert np.isfinite(model.sample(5)).all()
    torch.randn(3, device="cuda")  # the generator is not left waiting


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precision_trains_and_samples(precision, digits):
    X, y = digits
    model = DiffusionModel(**SMALL | {"precision": precision}, cuda_graph=True).fit(X, y)
    drawn = model.sample(50, 3)
    assert np.isfinite(drawn).all() and drawn.dtype == np.float32


def test_model_of_a_gpu_samples_on_the_cpu_and_back(model, digits):
    stored = pickle.dumps(model.set_params(device="auto"))
    on_cpu = pickle.loads(stored)
    on_cpu.net_.move("cpu")
    np.testing.assert_allclose(
        on_cpu.sample(20, random_state=1), model.sample(20, random_state=1), atol=0.05
    )
    cpu = DiffusionModel(**SMALL | {"device": "cpu", "max_iter": 2}).fit(*digits)
    moved = pickle.loads(pickle.dumps(cpu.set_params(device="cuda")))
    assert torch.device(moved.net_.device).type == "cuda"
    np.testing.assert_allclose(
        moved.sample(20, random_state=1), cpu.sample(20, random_state=1), atol=0.05
    )


def test_batch_that_does_not_fit_the_gpu_says_what_to_change(digits):
    X = np.zeros((4096, 3 * 64 * 64), dtype=np.float32)
    X[::2] = 1
    model = DiffusionModel(
        hidden_layer_sizes=(2048, 2048),
        image_shape=(3, 64, 64),
        batch_size=4096,
        max_iter=1,
        device="cuda",
    )
    with pytest.raises(MemoryError, match="Lower `batch_size`"):
        model.fit(X)
    torch.cuda.empty_cache()
