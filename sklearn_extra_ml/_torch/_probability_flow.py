r"""Density of a row, and its way to noise and back, by the probability flow.

The flow of ``_solvers`` is stiff and unbounded in :math:`\sigma`. In the coordinates

.. math:: u = \cos(\tau)\, x, \qquad \sigma = \tan \tau, \qquad 0 < \tau < \pi/2

it is neither. :math:`u` keeps unit variance for data of unit variance, and with the denoiser written
as :math:`D = \cos(\tau) u + \sin(\tau) F(u, \tau)` (the parametrisation that the networks here are
trained in) the flow is simply

.. math:: \frac{du}{d\tau} = -F(u, \tau).

For standard normal data F = 0: the flow does not move at all, whatever the step. The log-density
follows from the trace of the Jacobian along the way,

.. math:: \log p(x) = \log N(u_1; m, I) - \int_{\tau_0}^{\tau_1} \mathrm{tr}\,
   \frac{\partial F}{\partial u}\, d\tau + d \log\cos\tau_0 .

At the last time all that is left of the data is their mean, which the denoiser tells of a row of 0:
:math:`m = \cos(\tau_1) D(0) = \cos\tau_1 \sin\tau_1 F(0)`. The noise that a row becomes is
:math:`z = u_1 - m`.

Both are integrated by the classical Runge-Kutta method of fourth order on a fixed grid, so that a
row's result never depends on the other rows. The trace is exact, one directional derivative for each
column, up to `EXACT_TRACE` columns; above that it is Hutchinson's estimate with fixed Rademacher
probes, the same for every row and call. For U-Nets, whose derivatives cost a backward pass each, it
is an estimate with two probes, others at each evaluation: rows of a Hadamard matrix in random order,
its columns with random signs. Each by itself is a Rademacher vector, so the estimate is unbiased, and
together they are orthogonal: a pass over all rows of the matrix gives the exact trace, and errors
cancel along the way (to a third of those of independent probes, on digits).
"""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from ._solvers import even_sigmas

EXACT_TRACE = 64
N_PROBES = 16
N_FRESH_PROBES = 2  # at each evaluation of a U-Net
_BLOCK = 1 << 21  # numbers of one layer's tangents held at a time


def flow_grid(n_steps, sigma_min, sigma_max):
    """Return `n_steps` + 1 rising times tau, from atan(sigma_min) to atan(sigma_max)."""
    return np.arctan(even_sigmas(n_steps + 1, sigma_min, sigma_max)[::-1])


def probes_for(n_features, like, n_fresh=None):
    """Return ``probes()``: directions of the trace, (n_directions, n_features), and their weight.

    The same at each call, or `n_fresh` others at each.
    """
    generator = torch.Generator().manual_seed(0)

    def signs(*shape):
        return 2.0 * torch.randint(0, 2, shape, generator=generator) - 1

    def passes():
        while True:
            columns = signs(n_features)
            order = torch.randperm(1 << (n_features - 1).bit_length(), generator=generator)
            for rows in order.split(n_fresh):
                yield (columns * hadamard(rows, n_features)).to(like), 1.0 / len(rows)

    if n_fresh is not None:
        return partial(next, passes())
    if n_features <= EXACT_TRACE:
        fixed = torch.eye(n_features, dtype=like.dtype, device=like.device), 1.0
    else:
        fixed = signs(N_PROBES, n_features).to(like), 1.0 / N_PROBES
    return lambda: fixed


def hadamard(rows, n_columns):
    """Return these rows of Sylvester's matrix, its first columns: -1 where i & j has odd many bits."""
    bits = rows[:, None] & torch.arange(n_columns)
    signs = torch.ones(bits.shape)
    while bits.any():
        signs *= 1 - 2 * (bits & 1)
        bits >>= 1
    return signs


def field_and_trace(field, u, probes, weight):
    """Return ``field(u)`` and `weight` times the sum of v J v over the probes v, for each row.

    For any network: one backward pass for each probe.
    """
    with torch.enable_grad():
        u = u.detach().requires_grad_()
        value = field(u)
        trace = u.new_zeros(len(u))
        for probe in probes:
            direction = probe.expand_as(u)
            (slope,) = torch.autograd.grad(value, u, direction, retain_graph=True)
            trace += (slope * direction).sum(dim=1)
    return value.detach(), weight * trace


def rows_in_block(n_directions, width):
    """Return how many rows fit one block of directional derivatives."""
    return max(1, _BLOCK // (n_directions * width))


def log_density(field, with_trace, x, grid, n_fresh=None):
    """Return log p(x) in nats for rows with noise of standard deviation tan(grid[0]).

    Parameters
    ----------
    field : callable
        ``field(u, tau)`` -> F, row by row.
    with_trace : callable
        ``with_trace(u, tau, probes, weight)`` -> F and the trace of its Jacobian, as
        `field_and_trace` gives them.
    x : tensor of shape (n, d)
    grid : ndarray
        Rising times, from `flow_grid`.
    n_fresh : int, default=None
        Probes drawn for each evaluation. None: the same for all, or the exact trace.
    """
    n_features = x.shape[1]
    probes = probes_for(n_features, x, n_fresh)

    def rates(u, tau):
        value, trace = with_trace(u, tau, *probes())
        return -value, -trace

    u = math.cos(grid[0]) * x
    mean = mean_at_end(field, x, grid)
    total = x.new_zeros(len(x))
    for start, stop in pairwise(grid):
        middle, h = (start + stop) / 2, stop - start
        f1, t1 = rates(u, start)
        f2, t2 = rates(u + h / 2 * f1, middle)
        f3, t3 = rates(u + h / 2 * f2, middle)
        f4, t4 = rates(u + h * f3, stop)
        u = u + h / 6 * (f1 + 2 * f2 + 2 * f3 + f4)
        total = total + h / 6 * (t1 + 2 * t2 + 2 * t3 + t4)
    normal = -0.5 * ((u - mean).square().sum(dim=1) + n_features * math.log(2 * math.pi))
    return normal + total + n_features * math.log(math.cos(grid[0]))


def mean_at_end(field, x, grid):
    """Return the mean of u at the last time, for each row (its context may decide)."""
    end = grid[-1]
    return math.sin(end) * math.cos(end) * field(torch.zeros_like(x), end)


def to_noise(field, x, grid):
    """Return the standard normal noise that rows become."""
    u = _follow_flow(field, math.cos(grid[0]) * x, grid)
    return u - mean_at_end(field, x, grid)


def from_noise(field, z, grid):
    """Return the rows that become the noise `z`: `to_noise` backwards."""
    u = z + mean_at_end(field, z, grid)
    return _follow_flow(field, u, grid[::-1]) / math.cos(grid[0])


def _follow_flow(field, u, grid):
    """Return `u` carried along the flow through the times of `grid`, rising or falling."""
    for start, stop in pairwise(grid):
        middle, h = (start + stop) / 2, stop - start
        f1 = -field(u, start)
        f2 = -field(u + h / 2 * f1, middle)
        f3 = -field(u + h / 2 * f2, middle)
        f4 = -field(u + h * f3, stop)
        u = u + h / 6 * (f1 + 2 * f2 + 2 * f3 + f4)
    return u
