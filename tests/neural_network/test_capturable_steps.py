"""What a GPU records as a graph must ask for no value and mix no devices.

Checked without a GPU: on torch's meta device tensors have shapes and no values, so that a step that
waits for a number (`item`, a branch on a tensor) fails there as it does in a capture, and so does one
that makes a tensor elsewhere than its input.
"""

import copy

import numpy as np
import pytest
import skorch
import torch
from sklearn.datasets import load_digits

from sklearn_extra_ml._torch._denoiser import guided
from sklearn_extra_ml.neural_network import (
    VAE,
    AutoEncoder,
    AutoEncoderDetector,
    DiffusionClassifier,
    DiffusionModel,
)

IMAGES = {"image_shape": (1, 8, 8), "hidden_layer_sizes": (8, 16)}
LABELLED = [
    DiffusionModel(),
    DiffusionModel(parameterization="eps"),
    DiffusionModel(**IMAGES, attention=True, dropout=0.1, max_grad_norm=1.0),
    DiffusionClassifier(),
    VAE(conditional=True),
]
UNLABELLED = [
    DiffusionModel(),
    VAE(beta=2.0, kl_warmup=0.5),
    VAE(**IMAGES),
    VAE(likelihood="bernoulli"),
    AutoEncoder(noise="gaussian", sparsity=0.1, normalization="batch"),
    AutoEncoder(noise="masking", tied_weights=True),
    AutoEncoder(**IMAGES),
    AutoEncoderDetector(),
]


def trained(model, y=None, missing=False):
    """Return the net of a model after an epoch, and the `TensorData` that it learnt from."""
    seen = []

    class Recorder(skorch.callbacks.Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            seen.append(X)

    X = load_digits().data[:40].astype(np.float32) / 16
    if missing:
        X[::3, ::5] = np.nan
    model.set_params(max_iter=1, device="cpu", callbacks=[Recorder], random_state=0).fit(X, y)
    return model.net_, seen[0]


def take_step(net, data):
    """Do on the meta device what `GraphedStep` captures of the module."""
    module = copy.deepcopy(net.module_).train().to("meta")
    index = torch.zeros(8, dtype=torch.int64, device="meta")
    tensors = [None if t is None else t.to("meta") for t in (data.X, data.y)]
    loss = module.batch_loss(*(None if t is None else t.index_select(0, index) for t in tensors))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    assert loss.device.type == "meta"
    assert {p.grad.device.type for p in module.parameters()} == {"meta"}


@pytest.mark.parametrize("model", LABELLED, ids=repr)
def test_training_step_with_labels_neither_waits_nor_mixes_devices(model):
    take_step(*trained(copy.deepcopy(model), load_digits().target[:40]))


@pytest.mark.parametrize("model", UNLABELLED, ids=repr)
def test_training_step_neither_waits_nor_mixes_devices(model):
    take_step(*trained(copy.deepcopy(model)))


def test_training_step_on_missing_entries_neither_waits_nor_mixes_devices():
    take_step(*trained(DiffusionModel(), missing=True))


@pytest.mark.parametrize("model", LABELLED[:4], ids=repr)
@pytest.mark.parametrize("guidance_scale", [None, 1.0, 2.0])
def test_call_of_the_denoiser_neither_waits_nor_mixes_devices(model, guidance_scale):
    net, data = trained(copy.deepcopy(model), load_digits().target[:40])
    denoiser = copy.deepcopy(net.inference_module).to("meta")
    x, level = data.X.to("meta"), torch.empty(4, device="meta")
    context = None
    if guidance_scale is not None:
        context = torch.empty(len(x), denoiser.n_context, device="meta")
    with torch.inference_mode():
        denoised = guided(denoiser, context, guidance_scale)(x, level)
    assert denoised.device.type == "meta" and denoised.shape == x.shape


class Waits(torch.nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.layer = torch.nn.Linear(n_features, n_components)
        self.back = torch.nn.Linear(n_components, n_features)

    def encode(self, X):
        return self.layer(X / max(float(X.abs().max()), 1.0))

    def decode(self, Z):
        return self.back(Z)

    def forward(self, X):
        return self.decode(self.encode(X))


class Mixes(Waits):
    def encode(self, X):
        return self.layer(X + torch.ones(X.shape[1], device="cpu"))


@pytest.mark.parametrize("module", [Waits, Mixes])
def test_step_that_waits_or_mixes_devices_is_found(module):
    net, data = trained(AutoEncoder(module=module))
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        take_step(net, data)
