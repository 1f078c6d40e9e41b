r"""The network that takes noise out of rows, and the loss that teaches it.

Rows have about unit variance in each column. A `Denoiser` estimates the clean row given a noisy one
in one of two parametrisations, which differ in what the network is asked for:

``"edm"`` (Karras et al. 2022, with sigma_data = 1)
    :math:`D = \cos(\tau) u + \sin(\tau) F(u)` with :math:`u = \cos(\tau) x` and
    :math:`\sigma = \tan(\tau)`. At small noise the network is asked for the noise, at large noise for
    the clean row, and its target has unit variance at every level. Levels are drawn log-normally.
``"eps"`` (Ho et al. 2020)
    :math:`D = x - \sigma \epsilon(u)`: the network is always asked for the noise. Levels are drawn
    uniformly from a DDPM chain.

In both the loss is the mean square of the network's error. Levels are stratified over a batch, which
takes most of the variance that their draw adds to the gradient.

A missing entry (NaN) enters as 0, the mean, and its error is not counted.
"""

import math

import torch
from torch import nn

from ._blocks import ACTIVATIONS, ConditionEmbedding, linear, zero_
from ._probability_flow import field_and_trace
from ._solvers import chain_sigmas


class ConditionalMLP(nn.Module):
    """Residual perceptron: time is added, context multiplies.

    Block i is ``h + last(f((first(h) + shift_i) * scale_i))``, where `shift_i` is computed from the
    logarithm of the noise level and `scale_i` from the context. The last layers start at zero, so
    that at first every block is the identity, every context is ignored and the output is 0.

    Steps on tables are short, so each sum stands in the matrix product beside it (``addmm``), and the
    layers of a block have no bias: that of `shift_i` is one for the first of them.

    Parameters
    ----------
    n_features : int
        Columns of the rows and of the output.

    hidden_layer_sizes : sequence of int
        Width inside each block; the rows between blocks have the first of them.

    activation : str
        A key of `ACTIVATIONS`.

    n_context : int
        Columns of the context; 0 for none.

    dropout : float
        Share of a block's activations that are dropped in training.

    has_classes : bool
        Whether contexts are classes: see `ConditionEmbedding`.
    """

    def __init__(
        self,
        n_features,
        hidden_layer_sizes,
        activation,
        n_context=0,
        dropout=0.0,
        has_classes=False,
    ):
        super().__init__()
        width = hidden_layer_sizes[0]
        sizes = list(hidden_layer_sizes)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.inner = linear(n_features, width)
        self.embedding = ConditionEmbedding(sizes, activation, n_context, width, has_classes)
        self.first = nn.ModuleList(linear(width, size, bias=False) for size in sizes)
        self.last = nn.ModuleList(zero_(linear(size, width, bias=False)) for size in sizes)
        self.outer = zero_(linear(width, n_features))

    def forward(self, u, log_sigma, context=None):
        """Return the output for rows `u` of unit variance, log noise levels (n, 1) or (1, 1)."""
        shifts, scales = self.embedding(log_sigma, context)
        h = self.inner(u)
        for i, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            z = torch.addmm(shifts[i], h, first.weight.t())
            if scales is not None:
                z = z * scales[i]
            z = self.activation(z)
            if self.dropout is not None:
                z = self.dropout(z)
            h = torch.addmm(h, z, last.weight.t())
        return self.outer(self.activation(h))

    def output_and_trace(self, u, log_sigma, context, directions):
        """Return the output, and for each row the sum of v J v over the rows v of `directions`.

        Forward differentiation by hand: the tangents of all directions pass each layer together, as
        a tensor of shape (n_directions, n, width), and each activation is differentiated once.
        """
        shifts, scales = self.embedding(log_sigma, context)
        h = self.inner(u)
        slope = (directions @ self.inner.weight.T).unsqueeze(1)  # (n_directions, 1, width)
        for i, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            z = first(h) + shifts[i]
            if scales is not None:
                z = z * scales[i]
            value, factor = self._differentiate(z)
            if scales is not None:
                factor = factor * scales[i]
            h = h + last(value)
            slope = slope + (slope @ first.weight.T * factor) @ last.weight.T
        value, factor = self._differentiate(h)
        rows = (directions @ self.outer.weight).unsqueeze(1)  # (n_directions, 1, width)
        return self.outer(value), (slope * rows).sum(dim=0).mul_(factor).sum(dim=1)

    def _differentiate(self, z):
        """Return the activation and its derivative, elementwise."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            value = self.activation(z)
            (slope,) = torch.autograd.grad(value, z, torch.ones_like(value))
        return value.detach(), slope


class Denoiser(nn.Module):
    """A network and what turns it into a denoiser.

    Parameters
    ----------
    network : nn.Module
        ``network(u, log_sigma, context) -> output``, of the shape of `u`; `context` is None
        without contexts.

    parameterization : {"edm", "eps"}

    n_context : int
        Columns of the context that rows come with; the network sees one more, which tells whether
        the context is given (1) or dropped (all columns 0).

    dropout_context : float
        Share of the rows whose context is dropped in training.

    sigma_range : tuple of two floats
        Lowest and highest noise level of "edm".

    log_sigma_law : tuple of two floats
        Mean and standard deviation of the logarithm of the levels of "edm".

    chain : tuple (schedule, number of levels)
        The DDPM chain of "eps".

    denoise_sigma : float
        Noise level that `forward` takes out.

    has_missing : bool
        Whether rows may hold NaN in training.
    """

    def __init__(
        self,
        network,
        parameterization="edm",
        *,
        n_context=0,
        dropout_context=0.1,
        sigma_range=(0.002, 80.0),
        log_sigma_law=(-1.0, 1.5),
        chain=("linear", 1000),
        denoise_sigma=0.5,
        has_missing=False,
    ):
        super().__init__()
        self.network = network
        self.parameterization = parameterization
        self.n_context, self.dropout_context = n_context, dropout_context
        self.log_sigma_range = tuple(map(math.log, sigma_range))
        self.log_sigma_law = log_sigma_law
        self.denoise_sigma, self.has_missing = denoise_sigma, has_missing
        if parameterization == "eps":
            levels = torch.from_numpy(chain_sigmas(*chain)).log().float()
            self.register_buffer("log_levels", levels, persistent=False)

    # --- the four views of the network's output ---

    def output(self, u, sigma, context):
        """Return the network's output for scaled rows at one noise level for all."""
        log_sigma = torch.full((1, 1), math.log(sigma), dtype=u.dtype, device=u.device)
        return self.network(u, log_sigma, context)

    def denoise(self, x, sigma, context=None):
        """Return the estimate of the clean rows, with noise of standard deviation `sigma`.

        `sigma`: a number, or what `level_of` made of it, a tensor on the device.
        """
        level = sigma if isinstance(sigma, torch.Tensor) else level_of(sigma, x)
        log_sigma, sigma, cosine, sine = level
        u = cosine * x
        output = self.network(u, log_sigma.view(1, 1), context)
        if self.parameterization == "eps":
            return x - sigma * output
        return cosine * u + sine * output

    def field(self, u, tau, context=None):
        """Return F, minus the velocity of the probability flow at time `tau` = atan(sigma)."""
        output = self.output(u, math.tan(tau), context)
        if self.parameterization == "eps":
            return (math.sin(tau) * u - output) / math.cos(tau)
        return output

    def denoise_rows(self, x, context, sigma):
        """Return the estimate of the clean rows for contexts as given (None: without)."""
        return guided(self, context, 1.0)(x, sigma)

    def class_errors(self, x, sigmas, noises):
        """Return, for each row and class, the sum over `sigmas` of the error of the denoiser.

        The error is the squared distance to the clean row in units of the noise, the mean over
        ``noises[i]``: the same noise for every row and class, so that most of it cancels between
        classes. Missing entries are not counted. A class is a column of the context.
        """
        n, n_classes = len(x), self.n_context
        contexts = torch.eye(n_classes, dtype=x.dtype, device=x.device).repeat_interleave(n, dim=0)
        contexts = with_context(contexts)
        known = x.isfinite()
        x = torch.where(known, x, 0.0)
        total = torch.zeros((n_classes, n), dtype=torch.float64, device=x.device)
        for sigma, draws in zip(sigmas, noises, strict=True):
            for draw in torch.from_numpy(draws).to(x):
                noisy = (x + sigma * draw).repeat(n_classes, 1)
                denoised = self.denoise(noisy, sigma, contexts).view(n_classes, n, -1)
                error = torch.where(known, denoised - x, 0.0) / sigma
                total += error.square().sum(dim=2) / len(draws)
        return total.T

    def field_and_trace(self, u, tau, probes, weight, context=None):
        """Return `field` and `weight` times the sum of v J v over the probes v, for each row."""
        if not hasattr(self.network, "output_and_trace"):
            return field_and_trace(lambda v: self.field(v, tau, context), u, probes, weight)
        log_sigma = torch.full((1, 1), math.log(math.tan(tau)), dtype=u.dtype, device=u.device)
        output, trace = self.network.output_and_trace(u, log_sigma, context, probes)
        if self.parameterization == "eps":
            sine, cosine = math.sin(tau), math.cos(tau)
            trace = (sine * probes.square().sum() - trace) / cosine
            output = (sine * u - output) / cosine
        return output, weight * trace

    def forward(self, x):
        """Return the estimate of the clean rows at `denoise_sigma`, without context."""
        return self.denoise_rows(x, None, self.denoise_sigma)

    # --- training ---

    def batch_loss(self, X, y):
        """Return the mean squared error of the network on rows with fresh noise."""
        log_sigma = self.draw_log_sigmas(len(X), X)
        sigma = log_sigma.exp()
        cosine = (1 + sigma.square()).rsqrt()
        sine = sigma * cosine
        x = X
        if self.has_missing:
            missing = X.isnan()
            x = torch.where(missing, 0.0, X)
        noise = torch.randn_like(x)
        output = self.network(cosine * x + sine * noise, log_sigma, self.draw_context(y))
        target = noise if self.parameterization == "eps" else sine * x - cosine * noise
        error = output - target
        if self.has_missing:
            error = torch.where(missing, 0.0, error)
        return error.square().mean()

    def draw_log_sigmas(self, n, like):
        """Draw the logarithms of `n` noise levels, (n, 1), one from each n-th of their law."""
        steps = torch.arange(n, device=like.device, dtype=like.dtype)
        share = (steps + torch.rand_like(steps)) / n
        if self.parameterization == "eps":
            n_levels = len(self.log_levels)
            index = (share * n_levels).long().clamp_(max=n_levels - 1)
            return self.log_levels[index].unsqueeze(1)
        mean, std = self.log_sigma_law
        normal = torch.special.ndtri(share.clamp_(1e-6, 1 - 1e-6))
        return (mean + std * normal).clamp_(*self.log_sigma_range).unsqueeze(1)

    def draw_context(self, y):
        """Return the context as the network sees it: some rows' dropped, and a column that says so."""
        if not self.n_context:
            return None
        given = y.new_empty(len(y), 1).bernoulli_(1 - self.dropout_context)
        return torch.cat((y * given, given), dim=1)


def level_of(sigma, like):
    """Return what a denoiser needs of a noise level as a tensor: log(sigma), sigma, cos, sin of tau."""
    cosine = 1 / math.sqrt(1 + sigma**2)
    return like.new_tensor([math.log(sigma), sigma, cosine, sigma * cosine])


def with_context(context):
    """Return contexts (n, c) as the network sees them: none dropped."""
    return torch.cat((context, context.new_ones(len(context), 1)), dim=1)


def guided(denoiser, context, guidance_scale):
    """Return ``denoise(x, sigma)`` for rows of `context` (None: no context), guided.

    Classifier-free guidance (Ho and Salimans 2022): the difference that the context makes is
    multiplied by `guidance_scale`. At 1 the context is used as it was learnt, at 0 not at all.
    """
    if context is None:
        none = denoiser.n_context + 1 if denoiser.n_context else 0

        def denoise(x, sigma):
            zeros = x.new_zeros(len(x), none) if none else None
            return denoiser.denoise(x, sigma, zeros)

        return denoise
    seen = with_context(context)
    if guidance_scale == 1:
        return lambda x, sigma: denoiser.denoise(x, sigma, seen)
    both = torch.cat((seen, torch.zeros_like(seen)))

    def denoise_guided(x, sigma):
        given, dropped = denoiser.denoise(torch.cat((x, x)), sigma, both).chunk(2)
        return dropped + guidance_scale * (given - dropped)

    return denoise_guided
