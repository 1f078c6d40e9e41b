"""How to train: the plan, the optimiser it asks for, and copies of their state."""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TrainingPlan:
    """How to train; the fields are the estimators' parameters of the same names.

    `n_epochs` is the horizon of the learning rate (None: no horizon, a constant rate), `patience`
    the number of epochs without a better validation loss after which training stops (None: never).
    """

    solver: str = "adamw"
    learning_rate_init: float = 1e-3
    learning_rate: str = "cosine"
    warmup: float = 0.0
    alpha: float = 0.0
    batch_size: int = 256
    n_epochs: int | None = 200
    max_grad_norm: float | None = None
    ema_decay: float | None = None
    precision: str = "float32"
    compile: bool = False
    cuda_graph: bool | str = "auto"
    patience: int | None = None
    tol: float = 0.0

    def rate(self, step, n_steps):
        """Return the learning rate of a step (0 the first) out of `n_steps` (None: constant)."""
        if n_steps is None:
            return self.learning_rate_init
        n_warm = math.ceil(self.warmup * n_steps)
        factor = min(1.0, (step + 1) / n_warm) if n_warm else 1.0
        if self.learning_rate == "cosine" and step >= n_warm:
            done = (step - n_warm) / max(1, n_steps - n_warm)
            factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.learning_rate_init * factor


def make_optimizer(plan, module, device, capturable):
    """Return the fused optimiser; matrices decay, biases, norms and scales do not."""
    trained = [p for p in module.parameters() if p.requires_grad]
    matrices, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((matrices, plan.alpha), (others, 0.0))
        if params
    ]
    if not groups:
        raise ValueError("`module` has no parameters to train. Allowed: a module with parameters.")
    rate = plan.learning_rate_init
    if capturable:
        rate = torch.tensor(rate, device=device)
    fused = device.type in ("cpu", "cuda")
    if plan.solver == "sgd":
        momentum = {"momentum": 0.9, "nesterov": True}
        return torch.optim.SGD(groups, lr=rate, fused=fused, **momentum)
    make = torch.optim.AdamW if plan.solver == "adamw" else torch.optim.Adam
    optimizer = make(groups, lr=rate, fused=fused, capturable=capturable)
    # capturable optimisers warn when they step outside a graph, as the first and last batches do
    optimizer._warned_capturable_if_run_uncaptured = True
    return optimizer


def clone_tensors(value, device=None):
    """Return nested dicts and lists with every tensor copied, to `device` if given."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return value.clone() if device is None else value.to(device, copy=True)
    if isinstance(value, dict):
        return {key: clone_tensors(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(clone_tensors(item, device) for item in value)
    return value


def load_optimizer(optimizer, state):
    """Load a state, whichever kind of rate and step counter it was written with."""
    groups = optimizer.param_groups
    own = [{key: group[key] for key in ("lr", "capturable") if key in group} for group in groups]
    optimizer.load_state_dict(state)
    for group, kept, loaded in zip(optimizer.param_groups, own, state["param_groups"], strict=True):
        group.update(kept)
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(float(loaded["lr"]))
        else:
            group["lr"] = float(loaded["lr"])
