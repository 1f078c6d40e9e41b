"""The one skorch net: a lean training loop under skorch's interface.

A `FastNet` is a `skorch.NeuralNet`: callbacks, ``history``, ``predict``, ``module_``, ``optimizer_`` are
where skorch's users look for them. What it replaces is what makes skorch slow on small data:

====================================================  ==============================================
skorch, each row or batch                             here
====================================================  ==============================================
``__getitem__``, collate, host-to-device copy         one ``index_select`` of resident tensors
``loss.item()``: waits for the GPU                    sums on the device, one wait an epoch
hooks of every callback, a row of history             only if a callback defines the hook
closure, tree walk of ``train()``                     none; once an epoch
default optimiser: a kernel per tensor and operation  fused: one kernel
====================================================  ==============================================

On a GPU the whole step (gather, forward, backward, clipping, update) is captured as a CUDA graph
once three real steps have warmed it up, and replayed: a small network is otherwise bound by the
launch of its ~100 kernels. What may differ between steps lives in tensors that the graph reads: the
row numbers, the learning rate, the module's buffers. The last, smaller batch runs eagerly.

The net trains modules of a certain form, which is all that a new family has to write:

``module.batch_loss(X, y)``
    The mean loss of a batch, a scalar tensor; `y` is None without labels. Draw noise by plain torch
    functions (``torch.randn_like``): the default generators are forked and seeded around a fit.
``module(X)``
    What ``net.predict`` gives, in the units that the module was trained in.
``module.set_progress(fraction)`` (optional)
    Told at the start of each epoch which share of the training is done; keep it in a buffer and
    write in place (``self.progress.fill_(fraction)``), so that a captured graph sees it.
"""

import contextlib
import dis
import math
import time
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from ._flat import is_dense, lay_end_to_end
from ._fused_update import FusedUpdate
from ._graph import GraphedStep
from ._plan import clone_tensors
from ._random import forked_rng
from ._stored_net import StorableNet

# what `_prepare` makes for a training, and `_finish` drops
_TRANSIENT = (
    *("_graph", "_loss", "_good", "_total", "_sums", "_autocast", "_trained", "_step"),
    *("_weights", "_averages", "_buffers", "_kept", "_parts", "_lowest", "_sampler_graphs"),
)
_MIN_STEPS_OF_A_GRAPH = 50  # a capture costs about as much as so many steps
_VALIDATION_SEED = 0  # the same noise in every validation, so that losses can be compared


class FastNet(StorableNet):
    """A net that trains its module by its plan; parameters and attributes as `StorableNet`."""

    _not_stored = ("_valid", "_observers", "_horizon", *_TRANSIENT)

    # --- the loop ---

    def train(self, data, valid=None, *, n_epochs, horizon=None, observers=()):
        """Train for `n_epochs` on a `TensorData`, with early stopping on `valid` if it is given.

        `horizon` is the number of epochs that the learning rate's schedule covers, counted from
        the epoch 0 that ``self.first_epoch_`` tells (None: a constant rate). Each of `observers`
        is called with the net after each epoch and ends the training by returning True.
        """
        self._valid, self._observers, self._horizon = valid, observers, horizon
        try:
            self.partial_fit(data, epochs=n_epochs)
        finally:
            del self._valid, self._observers, self._horizon
        return self

    def partial_fit(self, X, y=None, classes=None, *, epochs=None, **fit_params):
        """As skorch's, but a `KeyboardInterrupt` goes on to the caller.

        The net is left at its last whole epoch. A callback ends a training as skorch's own do, by
        raising `KeyboardInterrupt` in its ``on_epoch_end``.
        """
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            self._go_back_to_whole_epoch()
            self.notify("on_train_end", X=X, y=y)  # callbacks close what they have opened
            raise
        self.notify("on_train_end", X=X, y=y)
        return self

    def _go_back_to_whole_epoch(self):
        self.stop_reason_ = "interrupted"
        if len(self.history) and "train_batch_count" not in self.history[-1]:
            self.history.pop()  # the epoch that was not finished
        if vars(self).get("_good") is not None:
            self._load_good()
        self._finish()
        self.module_.eval()

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train; one wait for the device an epoch."""
        self.check_training_readiness()
        epochs = self.max_epochs if epochs is None else epochs
        data, valid = self.get_dataset(X, y), vars(self).get("_valid")
        batches = self.get_iterator(data, training=True)
        valid_batches = None if valid is None else self.get_iterator(valid, training=False)
        self._prepare(batches, data, epochs * len(batches))
        seen = {"dataset_train": data, "dataset_valid": valid}
        self._keep_good()
        for _ in range(epochs):
            start = time.perf_counter()
            self.notify("on_epoch_begin", **seen)
            self._tell_progress()
            # 1. every batch once: the loss stays on the device
            self.run_single_epoch(batches, True, "train", self.train_step)
            self.run_single_epoch(valid_batches, False, "valid", self.validation_step)
            # 2. the one wait: losses, and whether the weights are still numbers
            finite = self._record(start, len(batches))
            if not finite:
                self._restore_good()
                break
            # 3. the best weights so far, and those to fall back to
            self._keep_good()
            stop = self._judge()
            # 4. whoever watches: skorch callbacks, checkpoints, progress
            stop |= self._call_watchers(seen)
            if stop:
                break
        else:
            self.stop_reason_ = "max_iter"
        self._finish()
        return self

    def _prepare(self, batches, data, n_steps):
        """Decide once what each step needs: hooks, autocast, compiled loss, captured graph."""
        defines = {
            hook: any(
                getattr(type(cb), hook) is not getattr(Callback, hook) for _, cb in self.callbacks_
            )
            for hook in ("on_batch_begin", "on_batch_end", "on_grad_computed")
        }
        self._watches_batches = defines["on_batch_begin"] or defines["on_batch_end"]
        self._watches_gradients = defines["on_grad_computed"]
        device = torch.device(self.device)
        self._autocast = contextlib.nullcontext()
        if self.plan.precision == "bf16":
            self._autocast = torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
        self._loss = self.module_.batch_loss
        if self.plan.compile:
            self._loss = torch.compile(self._loss, dynamic=False)
        self._n_steps_planned = None
        if vars(self).get("_horizon") is not None:
            self._n_steps_planned = self._horizon * len(batches)
            self._step_in_plan = self._horizon_start() * len(batches)
        self._trained = [p for group in self.optimizer_.param_groups for p in group["params"]]
        self._step = FusedUpdate(self.optimizer_) if device.type == "cpu" else self.optimizer_.step
        self._graph = None
        resident = data.X.device.type == device.type  # "cuda" and "cuda:0" are unequal
        watched = self._watches_batches or self._watches_gradients
        worth_it = self.plan.cuda_graph is True or n_steps >= _MIN_STEPS_OF_A_GRAPH
        if self._may_capture() and resident and worth_it and not watched:
            self._graph = GraphedStep(self, data, batches.batch_size)
        self._gather_tensors()
        self._sums, self._lr = {}, None
        self._total = {name: torch.zeros((), device=device) for name in ("train", "valid")}

    def _gather_tensors(self):
        """List once what every step or epoch goes over: the walks through the module's tree, and
        the calls for each tensor, are longer than the work on a small network."""
        self._weights = list(self.module_.parameters())
        self._averages, self._buffers = [], ([], [])
        if self.averaged_module_ is not None:
            self._averages = list(self.averaged_module_.parameters())
            self._buffers = (list(self.averaged_module_.buffers()), list(self.module_.buffers()))
        if all(map(is_dense, [*self._weights, *self._averages])):
            self._weights = lay_end_to_end(self._weights)
            self._averages = lay_end_to_end(self._averages)
        buffers = [b for m in self._modules_with_weights() for b in m.buffers()]
        self._kept = [*self._weights, *self._averages, *buffers]
        parts = list(self.module_.modules())
        own_switch = any(type(part).train is not torch.nn.Module.train for part in parts)
        self._parts = None if own_switch else parts
        names = {name for row in self.history for name in row if name.endswith("_loss")}
        self._lowest = {
            name: min(row[name] for row in self.history if name in row) for name in names
        }

    def _switch_mode(self, training):
        """`module_.train(training)`, without the walk."""
        if self._parts is None:
            self.module_.train(training)
            return
        for part in self._parts:
            vars(part)["training"] = training

    def _horizon_start(self):
        return len(self.history) - self.first_epoch_

    def _tell_progress(self):
        if hasattr(self.module_, "set_progress"):
            horizon = vars(self).get("_horizon")
            done = 1.0 if horizon is None else min(1.0, (self._horizon_start() - 1) / horizon)
            self.module_.set_progress(done)
            if self.averaged_module_ is not None:
                self.averaged_module_.set_progress(done)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass over the batches; the mean loss is left on the device."""
        if iterator is None:
            return
        total = self._total[prefix].zero_()
        if training:
            self._switch_mode(True)
            if self._graph is not None:
                self._graph.run_epoch(iterator, total)
            else:
                self._run_batches(iterator, True, prefix, step_fn, total)
            self._switch_mode(False)
            self._copy_buffers()
        else:
            with torch.no_grad(), forked_rng(torch.device(self.device), seed=_VALIDATION_SEED):
                self._run_batches(iterator, False, prefix, step_fn, total)
        self._sums[prefix] = total / len(iterator.dataset)

    def _run_batches(self, iterator, training, prefix, step_fn, total):
        for batch in iterator:
            if self._watches_batches:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            n = len(batch[0])
            total.add_(step["loss"].detach(), alpha=n)
            if self._watches_batches:
                self.history.record_batch(prefix + "_loss", step["loss"].item())
                self.history.record_batch(prefix + "_batch_size", n)
                self.notify("on_batch_end", batch=batch, training=training, **step)

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.history.new_batch()

    def train_step(self, batch, **fit_params):
        """Loss, gradients, update; nothing waits for the device."""
        self._set_rate()
        loss = self._gradients(*batch)
        if self._watches_gradients:
            named = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        self._update()
        self._average()
        return {"loss": loss, "y_pred": None}

    def _gradients(self, X, y):
        for parameter in self._trained:
            parameter.grad = None
        with self._autocast:
            loss = self._loss(X, y)
        loss.backward()
        return loss

    def _update(self):
        if self.plan.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.module_.parameters(), self.plan.max_grad_norm)
        self._step()

    def _set_rate(self):
        """Write the learning rate of the next step to the optimiser."""
        if self._n_steps_planned is None and self._lr is not None:
            return
        if self._n_steps_planned is None:
            rate = self.plan.learning_rate_init
        else:
            rate = self.plan.rate(self._step_in_plan, self._n_steps_planned)
            self._step_in_plan += 1
        if rate == self._lr:
            return  # a constant rate is left to the user's schedulers
        self._lr = rate
        for group in self.optimizer_.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _average(self):
        """Move the averaged weights towards the new ones; fast in the first steps."""
        self.n_steps_ += 1
        if self.averaged_module_ is None:
            return
        decay = min(self.plan.ema_decay, (1 + self.n_steps_) / (10 + self.n_steps_))
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._weights, 1 - decay)

    def _copy_buffers(self):
        for average, buffer in zip(*self._buffers, strict=True):
            average.copy_(buffer)

    def validation_step(self, batch, **fit_params):
        """The loss of a batch, by the weights that predict."""
        with self._autocast:
            return {"loss": self.inference_module.batch_loss(*batch), "y_pred": None}

    # --- between epochs ---

    def _record(self, start, n_batches):
        """Write the epoch to the history; return whether losses and weights are finite."""
        with torch.no_grad():
            norms = torch._foreach_norm(self._weights)
            facts = [*self._sums.values(), torch.stack(norms).sum()]
            values = torch.stack([fact.double() for fact in facts]).tolist()  # waits
        finite = all(map(math.isfinite, values))
        row = {f"{name}_loss": value for name, value in zip(self._sums, values, strict=False)}
        for name, value in row.items():
            lowest = self._lowest.get(name, math.inf)
            self.history.record(name, value)
            self.history.record(f"{name}_best", value < lowest)
            self._lowest[name] = min(value, lowest)
        self.history.record("train_batch_count", n_batches)
        rate = self.optimizer_.param_groups[0]["lr"] if self._lr is None else self._lr
        self.history.record("lr", float(rate))
        self.history.record("dur", time.perf_counter() - start)
        return finite

    def _judge(self):
        """Keep the best weights by validation loss; return whether patience has run out."""
        if "valid" not in self._sums or self.plan.patience is None:
            return False
        loss = self.history[-1, "valid_loss"]
        if self.best_ is None or loss < self.best_["loss"] - self.plan.tol:
            self._waited = 0
        else:
            self._waited += 1
        if self.best_ is None or loss < self.best_["loss"]:
            states = [clone_tensors(m.state_dict()) for m in self._modules_with_weights()]
            self.best_ = {"loss": loss, "epoch": len(self.history), "states": states}
        if self._waited >= self.plan.patience:
            self.stop_reason_ = "early_stopping"
            return True
        return False

    def _keep_good(self):
        """Remember the weights of the last epoch whose loss was finite."""
        if vars(self).get("_good") is None:
            self._good = [t.detach().clone() for t in self._kept]
            return
        torch._foreach_copy_(self._good, self._kept)

    def _load_good(self):
        with torch.no_grad():
            torch._foreach_copy_(self._kept, self._good)

    def _restore_good(self):
        self._load_good()
        self.optimizer_.state.clear()  # its moments are no numbers either
        self.stop_reason_ = "diverged"

    def _call_watchers(self, seen):
        stop = False
        try:
            self.notify("on_epoch_end", **seen)
        except KeyboardInterrupt as interrupt:
            if not _is_raised_by_code(interrupt):
                raise
            self.stop_reason_, stop = "callback", True  # how skorch's callbacks stop a training
        for observer in vars(self).get("_observers", ()):
            if observer(self):
                self.stop_reason_, stop = "callback", True
        return stop

    def _finish(self):
        """Load the best weights, drop what only a running training needs."""
        if self.best_ is not None:
            for module, state in zip(
                self._modules_with_weights(), self.best_["states"], strict=True
            ):
                module.load_state_dict(state)
        for parameter in self.module_.parameters():
            parameter.grad = None  # a graph's gradients would hold its memory
        self._drop_transients()

    def _drop_transients(self):
        for name in _TRANSIENT:
            vars(self).pop(name, None)


def _is_raised_by_code(error):
    """Whether a ``raise`` stands where the error came from: Ctrl-C strikes between instructions."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return dis.opname[instruction] == "RAISE_VARARGS"


def warn_of_end(net):
    """Warn of a training that diverged."""
    if net.stop_reason_ == "diverged":
        warnings.warn(
            f"The loss was not finite in epoch {len(net.history)}: training stopped with the weights "
            "of the epoch before. Lower `learning_rate_init`, set `max_grad_norm`, or look for "
            "extreme values in X (`standardize`).",
            ConvergenceWarning,
            stacklevel=4,
        )
