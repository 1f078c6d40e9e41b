"""Nets made ready: new, continued from a fit, or with rows held out for early stopping."""

import torch

from .._core._validation import bad_value
from ._batches import TensorData
from ._net import FastNet, warn_of_end
from ._random import forked_rng, random_states, set_random_states

__all__ = [
    "continue_net",
    "forked_rng",
    "new_net",
    "random_states",
    "set_random_states",
    "split",
    "warn_of_end",
]


def new_net(module, plan, device, callbacks):
    """Return an initialised net around `module`."""
    net = FastNet(module, plan=plan, device=device, callbacks=callbacks or None)
    return net.initialize()


def continue_net(net, plan, device):
    """Return the same net on `device`, with a new plan; its schedule starts where its history ends."""
    if torch.device(net.device) != device:
        net.move(device)
    net.replan(plan)
    return net


def split(rows, context, device, fraction):
    """Return (data, valid) on the device; without a `fraction` to hold out, valid is None."""
    if fraction is None:
        return TensorData(rows, context, device), None
    n = len(rows)
    n_valid = max(1, round(fraction * n))
    if n_valid >= n:
        raise bad_value(
            "validation_fraction",
            fraction,
            f"leaves no row to train on (n_samples={n})",
            "less than all rows",
            "Lower it, pass more rows, or set `early_stopping=False`.",
        )
    order = torch.randperm(n).numpy()
    held, kept = order[:n_valid], order[n_valid:]

    def part(index):
        return TensorData(rows[index], None if context is None else context[index], device)

    return part(kept), part(held)
