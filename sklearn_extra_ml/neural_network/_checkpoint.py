"""Checkpoints of a fit, found again by its parameters and its data."""

import hashlib
import time
from pathlib import Path

import numpy as np

from .._torch._device import import_torch
from .._torch._storage import read_checkpoint, write_checkpoint

_SECONDS_BETWEEN_CHECKPOINTS = 1.0
# parameters that do not change what is learnt: a checkpoint fits whatever they are
_FREE_PARAMETERS = {"checkpoint_dir", "verbose", "device", "warm_start", "callbacks"}


class CheckpointStore:
    """The checkpoint of one fit: a file named after the parameters and the data.

    So a folder can serve a whole grid search, and a fit never resumes from another's file.
    """

    def __init__(self, folder, name):
        self.path = Path(folder) / f"{name}.pt"
        self.last = time.monotonic()

    @classmethod
    def of(cls, estimator, rows, context):
        if estimator.checkpoint_dir is None:
            return None
        digest = hashlib.sha256()
        for name, value in sorted(estimator.get_params(deep=False).items()):
            if name not in _FREE_PARAMETERS:
                digest.update(f"{name}={_describe(value)};".encode())
        for array in (rows, context):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        kind = type(estimator).__name__
        return cls(estimator.checkpoint_dir, f"{kind}-{digest.hexdigest()[:16]}")

    def read(self):
        return read_checkpoint(self.path) if self.path.exists() else None

    def write(self, net, seed, *, finished):
        state = {"net": net.training_state(), "seed": seed, "finished": finished}
        write_checkpoint(self.path, state)
        self.last = time.monotonic()

    def write_now_and_then(self, net, seed):
        if time.monotonic() - self.last >= _SECONDS_BETWEEN_CHECKPOINTS:
            self.write(net, seed, finished=False)


def _describe(value):
    """Return a text that is equal for equal parameters, in another process too."""
    torch = import_torch()
    if isinstance(value, torch.nn.Module):
        weights = b"".join(
            t.detach().cpu().contiguous().numpy().tobytes() for t in value.state_dict().values()
        )
        return f"{value}{hashlib.sha256(weights).hexdigest()}"
    if isinstance(value, np.random.RandomState):
        return hashlib.sha256(repr(value.get_state()).encode()).hexdigest()
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value))}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return f"[{','.join(_describe(item) for item in value)}]"
    return repr(value)
