"""One training step as a CUDA graph.

A graph replays kernels with the memory addresses of the capture, so everything that changes between
steps has to lie in tensors that stay where they are: the row numbers of the batch (`index`), the
learning rate (a tensor in the optimiser, `capturable=True`), the module's buffers. The gradients are
allocated inside the graph's own pool, because they are None when the capture starts. Random numbers
come from the device's default generator, whose offset every replay advances.

The steps before the capture are real steps of the training, run on a side stream as CUDA asks for: the
optimiser's state exists afterwards, and nothing has to be undone. If the capture fails (a module that
waits for the device, or branches on values), the training goes on eagerly.
"""

import warnings

import torch

_N_WARM = 3  # eager steps before the capture


class GraphedStep:
    """Runs epochs of a `FastNet` whose data lie on the GPU."""

    def __init__(self, net, data, batch_size):
        self.net, self.data, self.batch_size = net, data, batch_size
        self.index = torch.zeros(batch_size, dtype=torch.int64, device=data.X.device)
        self.n_eager, self.graph, self.failed = 0, None, False
        self.stream = torch.cuda.Stream(data.X.device)

    def run_epoch(self, batches, total):
        """Train on every batch; add n times the loss of each to `total`, a tensor that stays."""
        for index in batches.indices():
            full = len(index) == self.batch_size
            if full and self.graph is None and self.n_eager >= _N_WARM and not self.failed:
                self._capture(total)
            if full and self.graph is not None:
                self.net._set_rate()
                self.index.copy_(index)
                self.graph.replay()
                self.net._average()
            else:
                self._step_aside(index, total)

    def _step_aside(self, index, total):
        """Take an eager step on the side stream."""
        self.n_eager += 1
        main = torch.cuda.current_stream(self.data.X.device)
        self.stream.wait_stream(main)
        with torch.cuda.stream(self.stream):
            batch = self.data.take(index)
            loss = self.net.train_step(batch)["loss"]
            total.add_(loss.detach(), alpha=len(index))
        main.wait_stream(self.stream)

    def _capture(self, total):
        """Record the step; the parameters do not change."""
        net = self.net
        graph = torch.cuda.CUDAGraph()
        net.optimizer_.zero_grad(set_to_none=True)
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                loss = net._gradients(*self.data.take(self.index))
                net._update()
                total.add_(loss.detach(), alpha=self.batch_size)
        except RuntimeError as error:
            self.failed = True
            _release_generator(self.data.X.device)
            if net.plan.cuda_graph is True:
                raise
            warnings.warn(
                f"The training step could not be captured as a CUDA graph ({error}); it runs "
                "eagerly. Set `cuda_graph=False` to silence this.",
                UserWarning,
                stacklevel=2,
            )
            return
        self.graph = graph


def _release_generator(device):
    """Give the default generator of a GPU a new state: a broken capture leaves the old one waiting
    for its end, and every draw would fail. The new seed comes from the CPU's generator."""
    fresh = torch.Generator(device)
    fresh.manual_seed(int(torch.randint(2**62, ())))
    torch.cuda.default_generators[device.index].graphsafe_set_state(fresh)
