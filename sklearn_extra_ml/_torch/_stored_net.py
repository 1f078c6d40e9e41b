"""The state of a net: what it is built of, and how it is stored, moved and continued.

`FastNet` (see `_net`) adds the training. Between two trainings a net is its module, the averaged copy of
it, the optimiser, skorch's history, and the few attributes that `training_state` lists; all of it goes
through pickle, ``deepcopy``, a checkpoint or to another device, and none of it belongs to a GPU when
it is stored.
"""

import copy

import skorch
import torch

from ._batches import DeviceBatches, TensorData
from ._plan import clone_tensors, load_optimizer, make_optimizer
from ._random import random_states


class ModuleLoss(torch.nn.Module):
    """The criterion of every `FastNet`: the module knows its own loss."""

    def forward(self, module, X, y):
        return module.batch_loss(X, y)


class StorableNet(skorch.NeuralNet):
    """skorch net around one module, with its averaged copy and a `TrainingPlan`.

    Parameters
    ----------
    module : torch.nn.Module
        The module, initialised; it is trained in place.

    plan : TrainingPlan
        How to train.

    device : torch.device or str
        Where.

    **kwargs : dict
        As `skorch.NeuralNet`.

    Attributes
    ----------
    module_, optimizer_, history, callbacks_
        As in skorch. A row of the history has ``epoch``, ``train_loss``, ``valid_loss`` (with
        validation data), ``lr``, ``dur`` in seconds, ``train_batch_count``, and ``..._loss_best``.

    averaged_module_ : torch.nn.Module or None
        The module with exponentially averaged weights (`ema_decay`).

    n_steps_ : int
        Gradient steps taken.

    stop_reason_ : str
        "max_iter", "early_stopping", "diverged", "callback" or, where `KeyboardInterrupt` went on to
        the caller, "interrupted".

    best_ : dict or None
        Weights, averages, loss and epoch of the best validation loss.

    random_states_ : dict of tensors
        States of torch's generators at the end of the training, where `partial_fit` goes on.
    """

    def __init__(self, module, criterion=ModuleLoss, *, plan, **kwargs):
        defaults = {
            "lr": plan.learning_rate_init,
            "batch_size": plan.batch_size,
            "max_epochs": plan.n_epochs or 1,
            "iterator_train": DeviceBatches,
            "iterator_train__shuffle": True,
            "iterator_valid": DeviceBatches,
            "dataset": TensorData,
            "train_split": None,
            "use_caching": False,
            "warm_start": True,
            "verbose": 0,
        }
        super().__init__(module, criterion, **(defaults | kwargs))
        self.plan = plan

    _not_stored = ("_sampler_graphs",)  # attributes that are no part of the state
    first_epoch_ = 0  # epoch of the history at which the schedule started

    # --- what skorch builds on initialize() ---

    def get_default_callbacks(self):
        return []

    def initialize_module(self):
        super().initialize_module()
        self.module_.to(self.device).eval()
        self._set_average(None if self.plan.ema_decay is None else copy.deepcopy(self.module_))
        return self

    def initialize_optimizer(self, triggered_directly=None):
        self.optimizer_ = self._new_optimizer()
        self.n_steps_, self.stop_reason_, self.best_ = 0, "max_iter", None
        self.random_states_, self._waited = None, 0
        return self

    def initialized_instance(self, instance_or_cls, kwargs):
        if instance_or_cls is self.module:
            return self.module  # never built anew: it carries the weights
        return super().initialized_instance(instance_or_cls, kwargs)

    def _set_average(self, module):
        # not through skorch's __setattr__, which would train it too
        vars(self)["averaged_module_"] = (
            None if module is None else module.requires_grad_(False).eval()
        )

    def _new_optimizer(self):
        device = torch.device(self.device)
        return make_optimizer(self.plan, self.module_, device, self._may_capture())

    def _may_capture(self):
        return torch.device(self.device).type == "cuda" and self.plan.cuda_graph is not False

    @property
    def inference_module(self):
        """The module to predict with: the averaged one, if there is one."""
        return self.module_ if self.averaged_module_ is None else self.averaged_module_

    def get_dataset(self, X, y=None):
        return X if isinstance(X, TensorData) else TensorData(X, y, self.device)

    def infer(self, x, **fit_params):
        return self.inference_module(torch.as_tensor(x, device=self.device), **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(self.module_ if training else self.inference_module, X, y_true)

    # --- stored, moved, continued ---

    def _modules_with_weights(self):
        return [m for m in (self.module_, self.averaged_module_) if m is not None]

    def training_state(self):
        """Return everything that the rest of the training depends on, on the CPU."""
        device = torch.device(self.device)
        return {
            "modules": [clone_tensors(m.state_dict(), "cpu") for m in self._modules_with_weights()],
            "optimizer": clone_tensors(self.optimizer_.state_dict(), "cpu"),
            "history": [dict(row) for row in self.history],
            "random_states": clone_tensors(random_states(device), "cpu"),
            "n_steps": self.n_steps_,
            "waited": self._waited,
            "best": clone_tensors(self.best_, "cpu"),
            "stop_reason": self.stop_reason_,
            "first_epoch": self.first_epoch_,
        }

    def load_training_state(self, state):
        """Go back to what `training_state` returned; the net must have the same modules."""
        for module, values in zip(self._modules_with_weights(), state["modules"], strict=True):
            module.load_state_dict(values)
        load_optimizer(self.optimizer_, state["optimizer"])
        self.history = skorch.history.History(state["history"])
        self.n_steps_, self._waited = state["n_steps"], state["waited"]
        self.best_ = clone_tensors(state["best"], self.device)
        self.stop_reason_, self.first_epoch_ = state["stop_reason"], state["first_epoch"]
        self.random_states_ = state["random_states"]
        return self

    def load_weights(self, weights, averages, history):
        """Set the weights and the history of a trained module; the optimiser stays new."""
        self.module_.load_state_dict(weights)
        if self.averaged_module_ is not None:
            self.averaged_module_.load_state_dict(averages)
        self.history = skorch.history.History(history)
        return self

    def replan(self, plan):
        """Go on with another plan; the optimiser keeps its moments unless the solver changes."""
        changed = plan.solver != self.plan.solver
        self.plan, self.batch_size, self.best_, self._waited = plan, plan.batch_size, None, 0
        self.first_epoch_ = len(self.history)
        if plan.ema_decay is None:
            self._set_average(None)
        elif self.averaged_module_ is None:
            self._set_average(copy.deepcopy(self.module_))
        state = self.optimizer_.state_dict()
        with self._current_init_context("optimizer"):
            self.optimizer_ = self._new_optimizer()
        if not changed:
            state["param_groups"] = self.optimizer_.state_dict()["param_groups"]
            load_optimizer(self.optimizer_, state)
        return self

    def move(self, device):
        """Move weights and optimiser to another device."""
        self.device = torch.device(device)
        vars(self).pop("_sampler_graphs", None)
        for module in self._modules_with_weights():
            module.to(self.device)
        state = clone_tensors(self.optimizer_.state_dict(), "cpu")
        with self._current_init_context("optimizer"):
            self.optimizer_ = self._new_optimizer()
        load_optimizer(self.optimizer_, state)
        return self

    def __getstate__(self):
        """Return a state without anything that a GPU or a running training owns."""
        state = vars(self).copy()
        for name in ("optimizer_", *self._not_stored):
            state.pop(name, None)
        for name in ("module", "module_", "averaged_module_", "criterion_"):
            if isinstance(state.get(name), torch.nn.Module):
                state[name] = copy.deepcopy(state[name]).cpu()
        if "module_" in state:
            state["module"] = state["module_"]
        for name in ("best_", "random_states_"):
            state[name] = clone_tensors(state.get(name), "cpu")
        if "optimizer_" in vars(self):
            state["optimizer_state"] = clone_tensors(self.optimizer_.state_dict(), "cpu")
        state["device"] = "cpu"
        return state

    def __setstate__(self, state):
        optimizer = state.pop("optimizer_state", None)
        vars(self).update(state)
        if optimizer is not None:
            vars(self)["optimizer_"] = self._new_optimizer()
            load_optimizer(self.optimizer_, optimizer)

    def __deepcopy__(self, memo):
        new = type(self).__new__(type(self))
        new.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return new.move(self.device) if str(self.device) != "cpu" else new
