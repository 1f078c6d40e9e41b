"""Building blocks of the networks: initialisation, perceptrons, convolutional blocks."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

_N_FREQUENCIES = 16
_TIME_WIDTH = 64

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def initialize_(layer, activation):
    """Initialise a linear or convolutional layer for the activation that follows it; zero bias.

    He et al. (2015) for the rectifiers, which halve the variance of what passes them, Glorot and
    Bengio (2010) for tanh, the sigmoid and layers that nothing follows.
    """
    if activation in ("relu", "gelu", "silu"):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    elif activation == "leaky_relu":
        nn.init.kaiming_normal_(layer.weight, a=0.01, nonlinearity="leaky_relu")
    else:
        gain = nn.init.calculate_gain("tanh") if activation == "tanh" else 1.0
        nn.init.xavier_normal_(layer.weight, gain=gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def linear(n_in, n_out, activation="identity", *, bias=True):
    """Return a linear layer, initialised for the activation that follows it."""
    return initialize_(nn.Linear(n_in, n_out, bias=bias), activation)


def zero_(layer):
    """Set the weights of a layer, and return it: a residual branch that it ends starts as nothing."""
    nn.init.zeros_(layer.weight)
    return layer


def hidden_layer(n_in, n_out, activation):
    """Return a linear layer with its activation."""
    return nn.Sequential(linear(n_in, n_out, activation), ACTIVATIONS[activation]())


class ConditionEmbedding(nn.Module):
    """What each block of a network adds for the noise level, and multiplies for the context.

    Contexts that are classes are few, however many rows there are: the factors of each class, and
    those without context, are computed once a call and handed to the rows.

    Parameters
    ----------
    sizes : sequence of int
        Width of each block.

    activation : str
        A key of `ACTIVATIONS`.

    n_context : int
        Columns of the context; 0 for none. The last tells whether the context is given (1) or
        dropped (all columns 0).

    width : int
        Hidden units between the context and its factors.

    has_classes : bool
        Whether the other columns are indicators of classes.
    """

    def __init__(self, sizes, activation, n_context, width, has_classes=False):
        super().__init__()
        frequencies = torch.logspace(-2, 3, _N_FREQUENCIES, base=2.0).repeat(2)
        phases = torch.tensor([0.0, -math.pi / 2]).repeat_interleave(_N_FREQUENCIES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("phases", phases, persistent=False)
        self.time = hidden_layer(2 * _N_FREQUENCIES, _TIME_WIDTH, activation)
        self.shifts = nn.ModuleList(linear(_TIME_WIDTH, size) for size in sizes)
        self.context = None
        if n_context:
            self.context = hidden_layer(n_context, width, activation)
            self.scales = nn.ModuleList(zero_(linear(width, size)) for size in sizes)
        if n_context and has_classes:
            n_classes = n_context - 1
            table = torch.ones(n_context, n_context)
            table[:n_classes, :n_classes] = torch.eye(n_classes)
            table[n_classes] = 0.0
            self.register_buffer("contexts", table, persistent=False)
        self.has_classes = has_classes

    def forward(self, log_sigma, context):
        """Return (shifts, scales), lists of a tensor a block; scales None without contexts.

        `log_sigma` of shape (n, 1) or (1, 1), `context` (n, n_context). Scales start at 1.
        """
        waves = torch.addcmul(self.phases, log_sigma, self.frequencies).cos()
        hidden = self.time(waves)
        shifts = [layer(hidden) for layer in self.shifts]
        if self.context is None:
            return shifts, None
        if not self.has_classes:
            hidden = self.context(context)
            return shifts, [1 + layer(hidden) for layer in self.scales]
        hidden, classes = self.context(self.contexts), context[:, :-1]
        scales = []
        for layer in self.scales:
            factors = layer(hidden)
            dropped = factors[-1:]
            scales.append(torch.addmm(1 + dropped, classes, factors[:-1] - dropped))
        return shifts, scales


def normalization_layer(name, width):
    """Return a list of the normalisation of `width` features: "batch", "layer" or None (empty)."""
    if name is None:
        return []
    return [nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)]


def mlp(sizes, activation, *, normalization=None, dropout=0.0):
    """Return a perceptron through layers of these sizes; nothing follows the last.

    Each hidden layer is linear, then normalisation ("batch", "layer" or None), activation, dropout.
    """
    layers = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers.append(linear(n_in, n_out, activation))
        layers += normalization_layer(normalization, n_out)
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, linear(sizes[-2], sizes[-1]))


class TiedDecoder(nn.Module):
    """The layers of a perceptron backwards, with its weights transposed and biases of their own."""

    def __init__(self, encoder, activation):
        super().__init__()
        linears = [layer for layer in encoder if isinstance(layer, nn.Linear)][::-1]
        self._encoder_layers = tuple(linears)  # a tuple: the weights belong to the encoder
        self.biases = nn.ParameterList(torch.zeros(layer.in_features) for layer in linears)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, z):
        for i, (layer, bias) in enumerate(zip(self._encoder_layers, self.biases, strict=True)):
            if i:
                z = self.activation(z)
            z = F.linear(z, layer.weight.t(), bias)
        return z


# --- images: rows are flattened (channels, height, width) -----------------------------------------


def sides_of(side, n_stages):
    """Lengths of a side after each halving (rounded up)."""
    sides = [side]
    for _ in range(n_stages):
        sides.append(math.ceil(sides[-1] / 2))
    return sides


def group_norm(channels):
    groups = max(g for g in range(1, min(8, channels) + 1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


def normalization_2d(name, channels):
    """Return the normalisation of images: "batch", "layer" (over groups of channels) or None."""
    if name is None:
        return nn.Identity()
    return nn.BatchNorm2d(channels) if name == "batch" else group_norm(channels)


def conv3(n_in, n_out, activation, **options):
    return initialize_(nn.Conv2d(n_in, n_out, 3, padding=1, **options), activation)


class ConvBlock(nn.Module):
    """Residual block of images: ``skip(h) + last(f((norm(first(f(norm(h)))) + shift) * scale))``.

    Two 3 x 3 convolutions, each after a normalisation (see `normalization_2d`) and an activation. The
    last one starts at zero, so that at first the block is its skip: the identity, or
    a 1 x 1 convolution where the number of channels changes. `shift` and `scale` of shape
    (n, channels) or (1, channels), both optional, are how noise level and context enter. `dropout`
    leaves out whole channels.
    """

    def __init__(self, n_in, n_out, activation, *, normalization="layer", dropout=0.0):
        super().__init__()
        self.norm_in = normalization_2d(normalization, n_in)
        self.norm_out = normalization_2d(normalization, n_out)
        self.activation = ACTIVATIONS[activation]()
        self.first = conv3(n_in, n_out, "identity")
        self.last = zero_(conv3(n_out, n_out, "identity"))
        self.dropout = nn.Dropout2d(dropout) if dropout else None
        self.skip = None
        if n_in != n_out:
            self.skip = initialize_(nn.Conv2d(n_in, n_out, 1), "identity")

    def forward(self, h, shift=None, scale=None):
        z = self.norm_out(self.first(self.activation(self.norm_in(h))))
        if shift is not None:
            z = z + shift[:, :, None, None]
        if scale is not None:
            z = z * scale[:, :, None, None]
        z = self.activation(z)
        if self.dropout is not None:
            z = self.dropout(z)
        return (h if self.skip is None else self.skip(h)) + self.last(z)


def conv_encoder(image_shape, channels, n_out, activation, *, normalization=None, dropout=0.0):
    """Return a network from flat rows to `n_out`: each stage halves the sides of the image.

    A stage of `channels[i]` is a 3 x 3 convolution of stride 2 and a `ConvBlock`.
    """
    n, height, width = image_shape
    layers = [nn.Unflatten(1, tuple(image_shape))]
    for n_next in channels:
        layers.append(conv3(n, n_next, "identity", stride=2))
        layers.append(
            ConvBlock(n_next, n_next, activation, normalization=normalization, dropout=dropout)
        )
        n = n_next
    if channels:
        layers += [normalization_2d(normalization, n), ACTIVATIONS[activation]()]
    pixels = sides_of(height, len(channels))[-1] * sides_of(width, len(channels))[-1]
    return nn.Sequential(*layers, nn.Flatten(), linear(n * pixels, n_out))


def conv_decoder(image_shape, channels, n_in, activation, *, normalization=None, dropout=0.0):
    """Return the mirror of `conv_encoder`: from `n_in` to flat rows, each stage doubling the sides.

    A stage is a `ConvBlock`, then enlarges by nearest neighbours before a 3 x 3 convolution, which
    leaves no checkerboard as transposed convolutions do (Odena et al. 2016).
    """
    n_channels, height, width = image_shape
    heights, widths = sides_of(height, len(channels)), sides_of(width, len(channels))
    n = channels[-1] if channels else n_channels
    first = (n, heights[-1], widths[-1])
    layers = [linear(n_in, math.prod(first)), nn.Unflatten(1, first)]
    for i in reversed(range(len(channels))):
        layers.append(ConvBlock(n, n, activation, normalization=normalization, dropout=dropout))
        layers.append(nn.Upsample(size=(heights[i], widths[i]), mode="nearest"))
        n_next = channels[max(i - 1, 0)]
        layers.append(conv3(n, n_next, "identity"))
        n = n_next
    if channels:
        layers += [normalization_2d(normalization, n), ACTIVATIONS[activation]()]
        layers.append(conv3(n, n_channels, "identity"))
    return nn.Sequential(*layers, nn.Flatten())
