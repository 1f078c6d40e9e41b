"""Parameters that lie end to end, so that one call goes over all of them."""

from itertools import accumulate

import torch

_ALIGNMENT = 64  # bytes: a line of the CPU's cache, and what a GPU's fast matrix kernels ask for


def is_dense(tensor):
    """Whether the numbers of a tensor fill its memory, each once."""
    layouts = [torch.contiguous_format]
    if tensor.dim() == 4:
        layouts.append(torch.channels_last)
    return any(tensor.is_contiguous(memory_format=layout) for layout in layouts)


def lay_end_to_end(parameters):
    """Move dense parameters, in place, into one tensor for each type; return these tensors.

    Each parameter becomes a view: it keeps its shape, strides and values, and who holds it sees no
    difference. A deep copy of its module has tensors of its own again. Between parameters lie zeros,
    so that each starts on a boundary of `_ALIGNMENT`.
    """
    groups = {}
    for parameter in parameters:
        groups.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    flats = []
    for (dtype, device), group in groups.items():
        step = _ALIGNMENT // dtype.itemsize
        starts = [0, *accumulate(step * -(-p.numel() // step) for p in group)]
        flat = torch.zeros(starts[-1], dtype=dtype, device=device)
        for p, start in zip(group, starts, strict=False):
            view = flat.as_strided(p.shape, p.stride(), start)
            p.data = view.copy_(p.data)
        flats.append(flat)
    return flats
