"""Batches of tensors that already live where the net does: no DataLoader, no collate, no copy."""

import torch
from torch.utils.data import Dataset

from ._device import free_memory

_SHARE_OF_DEVICE = 0.25  # data larger than this share of the free memory stay on the host


class TensorData(Dataset):
    """Rows as tensors: `X` of shape (n, ...), and `y` of n labels or contexts (None without).

    Moved to `device` if that leaves it room for the training; else they stay on the host, in pinned
    memory, and every batch is sent on its own.
    """

    def __init__(self, X, y=None, device="cpu"):
        X, y = torch.as_tensor(X), None if y is None else torch.as_tensor(y)
        device = torch.device(device)
        free = free_memory(device)
        if free is None or X.nbytes < _SHARE_OF_DEVICE * free:
            X, y = X.to(device), None if y is None else y.to(device)
        else:
            X, y = X.pin_memory(), None if y is None else y.pin_memory()
        self.X, self.y, self.device = X, y, device

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        y = torch.zeros(()) if self.y is None else self.y[index]
        return self.X[index], y

    def take(self, index):
        """Return the rows (X, y or None) of an index tensor, on the device."""
        X = self.X.index_select(0, index)
        y = None if self.y is None else self.y.index_select(0, index)
        if X.device != self.device:
            X = X.to(self.device, non_blocking=True)
            y = None if y is None else y.to(self.device, non_blocking=True)
        return X, y


class DeviceBatches:
    """Iterate over a `TensorData` in batches, in a new random order each time when `shuffle`.

    The order is drawn from torch's default generator of the data's device, once an epoch. A last
    batch of a single row joins the one before it: batch normalisation cannot use it alone.
    """

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset, self.shuffle = dataset, shuffle
        n = len(dataset)
        self.batch_size = min(batch_size, n)
        stops = list(range(self.batch_size, n, self.batch_size))
        if stops and n - stops[-1] == 1:
            stops.pop()
        self.bounds = list(zip([0, *stops], [*stops, n], strict=True))

    def __len__(self):
        return len(self.bounds)

    def indices(self):
        """Yield the row numbers of each batch as a tensor."""
        device, n = self.dataset.X.device, len(self.dataset)
        order = torch.randperm(n, device=device) if self.shuffle else torch.arange(n, device=device)
        for start, stop in self.bounds:
            yield order[start:stop]

    def __iter__(self):
        if self.shuffle:
            for index in self.indices():
                yield self.dataset.take(index)
            return
        for start, stop in self.bounds:
            X, y = self.dataset.X[start:stop], self.dataset.y
            y = None if y is None else y[start:stop]
            device = self.dataset.device
            yield X.to(device), None if y is None else y.to(device)
