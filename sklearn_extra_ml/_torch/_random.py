"""Torch's random generators, forked for the length of a fit.

Training draws from torch's default generators, because dropout and CUDA graphs know no others; they
are seeded on entry and put back on exit, so that a fit leaves no trace in them. Fits in several
threads of one process take turns, else they would draw from each other's stream.
"""

import os
import threading
from contextlib import contextmanager

import torch

_TURN = threading.RLock()


def _new_lock():
    global _TURN
    _TURN = threading.RLock()  # the thread that held it does not exist in a forked child


os.register_at_fork(after_in_child=_new_lock)


def random_states(device):
    """Return the states of torch's default generators, CPU and `device`'s, as CPU tensors."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states, device):
    """Put back what `random_states` returned; a GPU's state is left out on a machine without."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def forked_rng(device, seed=None, states=None):
    """Seed torch's default generators (or set their `states`) for the length of the block."""
    with _TURN:
        before = random_states(device)
        try:
            if seed is not None:
                torch.default_generator.manual_seed(seed)
                if device.type == "cuda":
                    with torch.cuda.device(device):
                        torch.cuda.manual_seed(seed)
            if states is not None:
                set_random_states(states, device)
            yield
        finally:
            set_random_states(before, device)
