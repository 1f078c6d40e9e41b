"""Parameters that lie end to end, so that one call goes over all of them."""

import torch


def is_dense(tensor):
    """Whether the numbers of a tensor fill its memory, each once."""
    layouts = [torch.contiguous_format]
    if tensor.dim() == 4:
        layouts.append(torch.channels_last)
    return any(tensor.is_contiguous(memory_format=layout) for layout in layouts)


def lay_end_to_end(parameters):
    """Move dense parameters, in place, into one tensor for each type; return these tensors.

    Each parameter becomes a view: it keeps its shape, strides and values, and who holds it sees no
    difference. A deep copy of its module has tensors of its own again.
    """
    groups = {}
    for parameter in parameters:
        groups.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    flats = []
    for (dtype, device), group in groups.items():
        flat, start = torch.empty(sum(p.numel() for p in group), dtype=dtype, device=device), 0
        for p in group:
            view = flat.as_strided(p.shape, p.stride(), start)
            p.data = view.copy_(p.data)
            start += p.numel()
        flats.append(flat)
    return flats
