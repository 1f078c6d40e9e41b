"""The network that an autoencoder trains."""

import torch
from torch import nn
from torch.nn import functional as F

from .._torch import _blocks as blocks


def dense_or_conv(n_in, n_code, sizes, activation, image_shape, options):
    """Return (encoder, decoder), mirror images: perceptrons, or convolutions with `image_shape`."""
    if image_shape is not None:
        encoder = blocks.conv_encoder(image_shape, sizes, n_code, activation, **options)
        return encoder, blocks.conv_decoder(image_shape, sizes, n_code, activation, **options)
    encoder = blocks.mlp((n_in, *sizes, n_code), activation, **options)
    return encoder, blocks.mlp((n_code, *sizes[::-1], n_in), activation, **options)


class AutoEncoderNet(nn.Module):
    """Encoder, decoder, and the loss: mean squared error of rows restored from noisy ones.

    `noise` is added to the input only: "gaussian" of standard deviation `noise_scale`, or "masking",
    which sets that share of the entries to 0. `sparsity` weighs the mean absolute code.
    """

    def __init__(self, encoder, decoder, *, noise=None, noise_scale=0.0, sparsity=0.0):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise, self.noise_scale, self.sparsity = noise, noise_scale, sparsity

    def encode(self, X):
        return self.encoder(X)

    def decode(self, Z):
        return self.decoder(Z)

    def forward(self, X):
        return self.decode(self.encode(X))

    def corrupt(self, X):
        if self.noise == "gaussian":
            return X + self.noise_scale * torch.randn_like(X)
        if self.noise == "masking":
            return X * (torch.rand_like(X) >= self.noise_scale)
        return X

    def batch_loss(self, X, y=None):
        Z = self.encode(self.corrupt(X))
        loss = F.mse_loss(self.decode(Z).float(), X)
        if self.sparsity:
            loss = loss + self.sparsity * Z.float().abs().mean()
        return loss

    def row_errors(self, X):
        """Mean squared error of each row."""
        return (self(X).to(X.dtype) - X).square().mean(dim=1)


class AutoEncoderPair(nn.Module):
    """Two networks that learn from different rows, and the larger of their errors.

    Trained on pairs: the columns of a row of the first network, then those of one of the second. Every
    batch has the same shape for both, and one net, one optimiser and one history serve the two.
    """

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def batch_loss(self, X, y=None):
        for_first, for_second = X.chunk(2, dim=1)
        return (self.first.batch_loss(for_first) + self.second.batch_loss(for_second)) / 2

    def row_errors(self, X):
        """Mean squared error of each row, by the network that restores it worse."""
        return torch.maximum(self.first.row_errors(X), self.second.row_errors(X))

    def forward(self, X):
        return self.row_errors(X)


class _Part(nn.Module):
    """One method of a user's network as a module of its own; the network is registered once."""

    def __init__(self, network, method):
        super().__init__()
        self._network, self.method = (network,), method  # a tuple: not registered again

    def forward(self, X):
        return getattr(self._network[0], self.method)(X)


class GivenAutoEncoderNet(AutoEncoderNet):
    """The same around a user's network with ``encode`` and ``decode``."""

    def __init__(self, network, **options):
        super().__init__(_Part(network, "encode"), _Part(network, "decode"), **options)
        self.network = network
