"""The data and the network on which `bench_deep.py` and `gpu_training.py` time training loops."""

from itertools import pairwise

import numpy as np
import torch

SIZES = (64, 256, 128, 8, 128, 256, 64)


def make_data(n=10_000):
    """Return rows of 64 features that lie close to 10 dimensions."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 10)) @ rng.normal(size=(10, 64)) + 0.1 * rng.normal(size=(n, 64))
    return ((X - X.mean(axis=0)) / X.std()).astype(np.float32)


def make_network():
    """Return the network as plain torch, with fixed weights."""
    torch.manual_seed(0)
    layers = []
    for i, (n_in, n_out) in enumerate(pairwise(SIZES)):
        layers.append(torch.nn.Linear(n_in, n_out))
        if i not in (2, 5):
            layers.append(torch.nn.SiLU())
    return torch.nn.Sequential(*layers)


class Given(torch.nn.Module):
    """The network as `AutoEncoder` takes it."""

    def __init__(self, layers):
        super().__init__()
        self.encoder, self.decoder = layers[:5], layers[5:]

    def encode(self, X):
        return self.encoder(X)

    def decode(self, Z):
        return self.decoder(Z)
