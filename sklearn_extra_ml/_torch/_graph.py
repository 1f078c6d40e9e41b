"""CUDA graphs: one training step, and the denoiser's call in each step of a sampler.

A graph replays kernels with the memory addresses of the capture, so everything that changes between
steps has to lie in tensors that stay where they are: the row numbers of the batch (`index`), the
learning rate (a tensor in the optimiser, `capturable=True`), the module's buffers. The gradients are
allocated inside the graph's own pool, because they are None when the capture starts. Random numbers
come from the device's default generator, whose offset every replay advances.

A sampler changes its rows, the noise level and, between blocks, the contexts: these are copied to where
the graph reads them, and the result is copied out of it, because solvers keep it.

The steps before the capture of a training are real ones, run on a side stream as CUDA asks for: the
optimiser's state exists afterwards, and nothing has to be undone. If a capture fails (a module that
waits for the device, or branches on values), training and sampling go on eagerly.
"""

import warnings

import torch

from ._denoiser import guided, level_of
from ._random import forked_rng

_N_WARM = 3  # eager steps before the capture
_MIN_CALLS_OF_A_GRAPH = 6  # a capture costs about as much as so many calls of the denoiser
_MAX_GRAPHS = 4  # of a sampler: full block and remainder, for the last two ways to draw


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


class GraphedDenoiser:
    """``denoise(x, sigma)`` of rows of one shape, as `guided` returns it, replayed from a graph.

    Parameters
    ----------
    denoiser : Denoiser
        On the GPU.

    context : tensor or None
        Of the rows; `replay_with` puts others in its place.

    guidance_scale : float

    x : tensor
        What the rows look like.
    """

    def __init__(self, denoiser, context, guidance_scale, x):
        self.denoiser = denoiser
        self.x, self.level = torch.zeros_like(x), level_of(1.0, x)
        self.context = None if context is None else context.clone()
        self.levels, self.graph = {}, torch.cuda.CUDAGraph()
        main, stream = torch.cuda.current_stream(x.device), torch.cuda.Stream(x.device)
        stream.wait_stream(main)
        with torch.cuda.stream(stream):  # libraries set themselves up in a first call
            guided(denoiser, self.context, guidance_scale)(self.x, self.level)
        main.wait_stream(stream)
        with torch.cuda.graph(self.graph, stream=stream):
            denoise = guided(denoiser, self.context, guidance_scale)
            self.denoised = denoise(self.x, self.level)

    def replay_with(self, context):
        """Use these contexts from now on."""
        if context is not None:
            self.context.copy_(context)
        return self

    def __call__(self, x, sigma):
        if sigma not in self.levels:
            self.levels[sigma] = level_of(sigma, self.x)
        self.level.copy_(self.levels[sigma])
        self.x.copy_(x)
        self.graph.replay()
        return self.denoised.clone()


def guided_for_sampler(net, context, guidance_scale, x, n_calls, precision):
    """Return ``denoise(x, sigma)`` for a sampler that will call it `n_calls` times.

    Replayed from a graph where the plan of the `net` allows it, the rows `x` are on a GPU and the
    calls are worth a capture; the `net` keeps the last few graphs. Both ways do the same arithmetic.
    """
    denoiser, wanted = net.inference_module, net.plan.cuda_graph
    eager = guided(denoiser, context, guidance_scale)
    if not x.is_cuda or wanted is False:
        return eager
    graphs = vars(net).setdefault("_sampler_graphs", {})
    contexts = None if context is None else tuple(context.shape)
    key = (tuple(x.shape), contexts, guidance_scale, precision)
    found = graphs.get(key)
    if found is not None and found.denoiser is denoiser:
        return found.replay_with(context)
    if wanted == "auto" and n_calls < _MIN_CALLS_OF_A_GRAPH:
        return eager
    while len(graphs) >= _MAX_GRAPHS:
        graphs.pop(next(iter(graphs)))
    with forked_rng(x.device):
        try:
            graphs[key] = GraphedDenoiser(denoiser, context, guidance_scale, x)
        except RuntimeError as error:
            _release_generator(x.device)
            if wanted is True:
                raise
            warnings.warn(
                f"The sampler could not be captured as a CUDA graph ({error}); it runs eagerly. Set "
                "`cuda_graph=False` to silence this.",
                UserWarning,
                stacklevel=2,
            )
            return eager
    return graphs[key]


def _release_generator(device):
    """Give the default generator of a GPU a new state: a broken capture leaves the old one waiting
    for its end, and every draw would fail. The new seed comes from the CPU's generator."""
    fresh = torch.Generator(device)
    fresh.manual_seed(int(torch.randint(2**62, ())))
    torch.cuda.default_generators[device.index].graphsafe_set_state(fresh)
