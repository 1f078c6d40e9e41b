"""Where torch is imported, and where tensors live."""

import importlib
import os
from contextlib import contextmanager

from .._core._validation import bad_value

_IMPORT_PID = os.getpid()


def import_torch():
    """Return `torch`; an `ImportError` that names the extra where torch or skorch is missing."""
    require("skorch")
    return require("torch")


def require(name):
    """Return a module of the extra "deep"; an `ImportError` that names the extra without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Deep estimators need {error.name}, which is not installed. Install it with "
            '`pip install "sklearn-extra-ml[deep]"`.'
        ) from error


def resolve_device(device):
    """Return the `torch.device` that `device` stands for: "auto" is the GPU if there is one.

    Raises `ValueError` for a device that torch does not know or this machine does not have.
    """
    torch = import_torch()
    if isinstance(device, str) and device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    here = ["'cpu'", *(f"'cuda:{i}'" for i in range(torch.cuda.device_count()))]
    try:
        # with its number: torch takes "cuda" and "cuda:0" for different devices
        resolved = torch.empty(0, device=torch.device(device)).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise bad_value(
            "device",
            device,
            "cannot be used on this machine",
            f"'auto', {', '.join(here)}",
            "Use 'auto', or install torch with support for that device.",
        ) from error
    return resolved


def resolve_device_or_cpu(device):
    """Return (device, whether it was replaced): a fitted model must load without its GPU."""
    try:
        return resolve_device(device), False
    except ValueError:
        return resolve_device("cpu"), True


@contextmanager
def forked_child_threads():
    """Hold torch to one thread in a child made by ``fork``; elsewhere change nothing.

    OpenMP's threads of the parent do not exist in the child: a parallel region would wait for them
    for ever.
    """
    if os.getpid() == _IMPORT_PID:
        yield
        return
    torch = import_torch()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def free_memory(device):
    """Return the free memory of a device in bytes; None where torch cannot tell (the CPU)."""
    if device.type != "cuda":
        return None
    return import_torch().cuda.mem_get_info(device)[0]


@contextmanager
def explained_memory(what, device, fix):
    """Turn torch's errors of allocation within the block into a `MemoryError` that says what to do."""
    torch = import_torch()
    try:
        yield
    except RuntimeError as error:
        own = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
        if not isinstance(error, own) and "DefaultCPUAllocator" not in str(error):
            raise
        reason = str(error).partition("\n")[0]
        raise MemoryError(
            f"{what} does not fit the memory of {device} ({reason}). {fix}"
        ) from error


@contextmanager
def matmul_precision(precision):
    """Let float32 products use TF32 within the block if `precision` is "tf32" (GPUs only)."""
    torch = import_torch()
    before = torch.get_float32_matmul_precision()
    wanted = "high" if precision == "tf32" else "highest"
    torch.set_float32_matmul_precision(wanted)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
