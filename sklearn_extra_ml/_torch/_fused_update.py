"""The step of a fused Adam on the CPU without its bookkeeping.

``optimizer.step()`` spends as long in Python (state look-ups, grouping by device and dtype, profiler
records) as in its kernel, and small networks pay that at each step. The lists that it builds do not
change between steps, so they are built once here and the same kernel is called with them. The
optimiser stays the owner of its state, and takes the first step itself, which creates it.
"""

import torch


class FusedUpdate:
    """Callable that does what ``optimizer.step()`` does."""

    def __init__(self, optimizer):
        self.optimizer, self.groups = optimizer, None
        kernels = {torch.optim.AdamW: "_fused_adamw_", torch.optim.Adam: "_fused_adam_"}
        name = kernels.get(type(optimizer))
        self.kernel = getattr(torch, name or "", None)  # torch's own; absent in other versions
        hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
        plain = all(
            group.get("fused") and not (group["capturable"] or group["amsgrad"])
            for group in optimizer.param_groups
            if name
        )
        self.direct = self.kernel is not None and plain and not hooks
        self.first = True

    def __call__(self):
        if self.direct and self.groups is None and not self.first:
            self._collect()
        if not self.direct or self.first:
            self.optimizer.step()
            self.first = False
            return
        gradients = [[p.grad for p in params] for _, params, *_ in self.groups]
        if any(grad is None for group in gradients for grad in group):
            self.optimizer.step()
            return
        with torch.no_grad():
            self.counts.add_(1)
            for grads, (group, params, means, squares, steps) in zip(
                gradients, self.groups, strict=True
            ):
                beta1, beta2 = group["betas"]
                self.kernel(
                    params,
                    grads,
                    means,
                    squares,
                    [],
                    steps,
                    lr=group["lr"],
                    beta1=beta1,
                    beta2=beta2,
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=False,
                    maximize=group["maximize"],
                )

    def _collect(self):
        """List parameters and state once; parameters that had no gradient have no state.

        The counts of steps, a tensor for each parameter, become views of one.
        """
        self.groups, state = [], self.optimizer.state
        self.direct = all(
            p in state for group in self.optimizer.param_groups for p in group["params"]
        )
        if not self.direct:
            return
        self.counts = torch.stack([s["step"] for s in state.values()])
        for values, count in zip(state.values(), self.counts, strict=True):
            values["step"] = count
        for group in self.optimizer.param_groups:
            params = group["params"]
            lists = ([state[p][key] for p in params] for key in ("exp_avg", "exp_avg_sq", "step"))
            self.groups.append((group, params, *lists))
