"""What every deep estimator shares: parameters, training, resuming, storing, prediction by blocks.

Composition: the estimator is scikit-learn's, a real skorch net (`FastNet`) lies in ``net_``. A family
writes a module (see `_torch._net` for its form) and these methods of `BaseDeep`:

``_make_module(n_in)``
    Return the module for rows of `n_in` encoded features; what else it needs (the number of classes)
    it takes from attributes that `fit` has set. Called with torch's generators seeded: plain
    ``torch.nn.init`` draws are reproducible.
``fit`` and ``partial_fit``
    Validate and encode, then call ``self._fit_net(rows, context, partial=...)``.

Optional: ``_n_epochs(n_rows, batch_size)`` (default `max_iter`), ``_after_training(rows, context)``,
``_check_module(module, rows, context)``.
"""

import copy
import os
import warnings
from numbers import Integral, Real

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._validation import Interval, Options, StrOptions, bad_value, has_callbacks
from .._torch._device import (
    explained_memory,
    forked_child_threads,
    import_torch,
    matmul_precision,
    resolve_device,
    resolve_device_or_cpu,
)
from .._torch._storage import can_store, load_model, save_model
from .._version import __version__
from ._checkpoint import CheckpointStore

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "identity")
_BLOCK = 8192  # rows predicted at a time
_SIZES = (256, 128)  # of hidden layers
_CHANNELS = (16, 32)  # of stages, for images
_NOT_STORED = {"module", "callbacks", "checkpoint_dir", "encoder"}  # given anew to `load`

NETWORK_CONSTRAINTS = {
    "hidden_layer_sizes": [
        "array-like",
        Interval(Integral, 1, None, closed="left"),
        StrOptions({"auto"}),
    ],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "normalization": [StrOptions({"batch", "layer"}), None],
    "dropout": [Interval(Real, 0, 1, closed="left")],
}
TRAINING_CONSTRAINTS = {
    "solver": [StrOptions({"adamw", "adam", "sgd"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"cosine", "constant"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "warmup": [Interval(Real, 0, 1, closed="both")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "precision": [StrOptions({"float32", "tf32", "bf16"})],
    "compile": ["boolean"],
    "cuda_graph": [StrOptions({"auto"}), "boolean"],
    "device": "no_validation",  # torch knows; see `resolve_device`
    "module": [callable, None],
    "callbacks": [list, tuple, None],
    "checkpoint_dir": [str, os.PathLike, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
STANDARDIZE_CONSTRAINT = [StrOptions({"global", "column"}), Options(bool, {False})]


class BaseDeep(CallbackSupportMixin, BaseEstimator):
    """Base of the deep estimators; see the head of this file."""

    # --- input ---

    def _validate_rows(self, X, *, reset, **options):
        """Return X as a finite float array of shape (n_samples, n_features), C-ordered."""
        return validate_data(
            self, X, dtype=[np.float64, np.float32], order="C", reset=reset, **options
        )

    def _hidden_sizes(self):
        """Return `hidden_layer_sizes` as a tuple; one number is one layer."""
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):  # "auto"
            return _SIZES if self.image_shape is None else _CHANNELS
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if any(not isinstance(size, Integral) or size < 1 for size in sizes):
            raise bad_value(
                "hidden_layer_sizes",
                self.hidden_layer_sizes,
                "has an entry that is no size",
                "integers of at least 1; () for none",
                "Give each layer its number of units.",
            )
        return sizes

    # --- what a family may change ---

    def _n_epochs(self, n_rows, batch_size):
        return self.max_iter

    def _check_module(self, module, rows, context):
        """Raise for a module whose outputs have the wrong shape."""

    def _after_training(self, rows, context):
        """Set what is computed from the trained net; runs within the forked generators."""

    # --- training ---

    def _fit_net(self, rows, context=None, *, partial=False):
        """Train ``net_`` on float32 rows, with `context` (labels or features; None) beside them.

        Anew, or on from the weights, optimiser and random state that are there: in a `partial` fit
        (one pass at a constant rate), and with `warm_start`.
        """
        import_torch()
        from .._torch import _training as training

        device = resolve_device(self.device)
        goes_on = (partial or self.warm_start) and hasattr(self, "net_")
        batch_size = self._batch_size(len(rows))
        n_epochs = 1 if partial else int(self._n_epochs(len(rows), batch_size))
        plan = self._plan(batch_size, None if partial else n_epochs)
        store = None if partial or goes_on else CheckpointStore.of(self, rows, context)
        saved = None if store is None else store.read()
        with forked_child_threads(), matmul_precision(self.precision):
            if goes_on:
                source = {"states": self.net_.random_states_}
            else:
                source = {"seed": self._seed() if saved is None else saved["seed"]}
            with training.forked_rng(device, **source):
                if goes_on:
                    net = training.continue_net(self.net_, plan, device)
                else:
                    module = self._make_module(rows.shape[1])
                    self._check_module(module, rows, context)
                    net = training.new_net(module, plan, device, self._cloned_callbacks())
                held_out = self.early_stopping and not partial
                fraction = self.validation_fraction if held_out else None
                data, valid = training.split(rows, context, device, fraction)
                if saved is not None:
                    net.load_training_state(saved["net"])
                    training.set_random_states(saved["net"]["random_states"], device)
                observers = self._observers(net, store, source.get("seed"), n_epochs, rows, partial)
                left = n_epochs - (len(net.history) - net.first_epoch_)
                if saved is not None and saved["finished"]:
                    left = 0
                fix = "Lower `batch_size` or the size of the network, or train on another `device`."
                with explained_memory(f"`batch_size`={batch_size}", device, fix):
                    if left:
                        net.train(
                            data,
                            valid,
                            n_epochs=left,
                            horizon=None if partial else n_epochs,
                            observers=observers,
                        )
                net.random_states_ = training.random_states(device)
                if store is not None:
                    store.write(net, source["seed"], finished=True)
                self.net_ = net
                self._built_with = {
                    "params": _storable_params(self),
                    "n_in": rows.shape[1],
                    "batch_size": batch_size,
                }
                self._after_training(rows, context)
        self._store_history(net)
        training.warn_of_end(net)
        return self

    def _batch_size(self, n_rows):
        if self.batch_size == "auto":
            return min(256, n_rows)
        if self.batch_size > n_rows:
            warnings.warn(
                f"`batch_size`={self.batch_size} is larger than n_samples={n_rows}: every batch is "
                "the whole data.",
                UserWarning,
                stacklevel=5,
            )
        return min(self.batch_size, n_rows)

    def _plan(self, batch_size, n_epochs):
        from .._torch._plan import TrainingPlan

        return TrainingPlan(
            solver=self.solver,
            learning_rate_init=float(self.learning_rate_init),
            learning_rate=self.learning_rate,
            warmup=float(self.warmup),
            alpha=float(self.alpha),
            batch_size=batch_size,
            n_epochs=n_epochs,
            max_grad_norm=self.max_grad_norm,
            ema_decay=self.ema_decay,
            precision=self.precision,
            compile=self.compile,
            cuda_graph=self.cuda_graph,
            patience=self.n_iter_no_change if self.early_stopping else None,
            tol=float(self.tol),
        )

    def _seed(self):
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _cloned_callbacks(self):
        return [
            (item[0], _copy_of_callback(item[1]))
            if isinstance(item, tuple)
            else (item if isinstance(item, type) else _copy_of_callback(item))
            for item in self.callbacks or []
        ]

    def _given_module(self, *sizes):
        """Return a copy of the user's `module` (class, factory or instance), called with `sizes`."""
        torch = import_torch()
        if isinstance(self.module, torch.nn.Module):
            return copy.deepcopy(self.module)
        module = self.module(*sizes)
        if not isinstance(module, torch.nn.Module):
            raise TypeError(
                f"`module` returned a {type(module).__name__}. Allowed: a torch.nn.Module, or a "
                "class or function that returns one."
            )
        return module

    def _observers(self, net, store, seed, n_epochs, rows, partial):
        """Return the functions called after each epoch: checkpoints, progress, one printed line."""
        observers = []
        if store is not None:
            observers.append(lambda net: store.write_now_and_then(net, seed))
        if self.verbose:
            observers.append(_print_epoch)
        if has_callbacks(self) and not partial:
            observers.append(self._progress(n_epochs, rows))
        return observers

    def _progress(self, n_epochs, rows):
        """Open scikit-learn's callback context; return what reports an epoch to it."""
        root = self._init_callback_context(max_subtasks=n_epochs)
        root.call_on_fit_task_begin(estimator=self, X=rows)

        def report(net):
            task = root.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(estimator=self, X=rows)
            return task.call_on_fit_task_end(
                estimator=self, X=rows, reconstruction_attributes=lambda: self._fitted_now(net)
            )

        return report

    def _fitted_now(self, net):
        """Attributes of the estimator as if the training ended here."""
        own = set(self.get_params(deep=False))
        state = {k: v for k, v in vars(self).items() if k not in own and not k.startswith("_skl")}
        state.pop("_callback_fit_ctx", None)
        return state | {"net_": copy.deepcopy(net)}

    def _store_history(self, net):
        rows = list(net.history)
        names = {"train_loss": "loss", "valid_loss": "validation_loss", "lr": "learning_rate"}
        names["dur"] = "seconds"
        self.history_ = {
            new: [float(row.get(old, np.nan)) for row in rows]
            for old, new in names.items()
            if old != "valid_loss" or any(old in row for row in rows)
        }
        self.loss_curve_ = self.history_["loss"]
        self.n_iter_ = len(rows)
        losses = self.history_.get("validation_loss", self.loss_curve_)
        finite = [loss for loss in losses if np.isfinite(loss)]
        self.best_loss_ = min(finite) if finite else np.nan

    # --- prediction ---

    def _rows_at_once(self):
        """Return how many rows to predict at a time."""
        return _BLOCK

    def _apply(self, method, *arrays, double=False, **options):
        """Call a method of the trained module on blocks of rows; return float32 arrays.

        `arrays` are cut into blocks together; None is passed on. The module may return a tensor or a
        tuple of tensors. `double`: compute in float64, with a copy of the module.
        """
        torch = import_torch()
        module = self.net_.inference_module
        if double:
            module = copy.deepcopy(module).double()
            arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        function = getattr(module, method)
        device = torch.device(self.net_.device)
        n = len(arrays[0])
        blocks, n_block = [], self._rows_at_once()
        with torch.inference_mode(), forked_child_threads(), matmul_precision(self.precision):
            for start in range(0, n, n_block):
                rows = [
                    None if a is None else torch.from_numpy(a[start : start + n_block]).to(device)
                    for a in arrays
                ]
                blocks.append(function(*rows, **options))
        if isinstance(blocks[0], tuple):
            return tuple(torch.cat(part).cpu().numpy() for part in zip(*blocks, strict=True))
        return torch.cat(blocks).cpu().numpy()

    # --- storing ---

    def save(self, path):
        """Write the fitted model as one safetensors file, with its parameters as JSON in it.

        Nothing in the file is executed when it is loaded. `module`, `callbacks` and
        `checkpoint_dir` are not stored, nor the optimiser: a loaded model predicts, and trains on
        with fresh moments.

        Parameters
        ----------
        path : str or Path
            File to write, atomically.

        Returns
        -------
        self : object
        """
        check_is_fitted(self)
        save_model(path, self._to_store())
        return self

    def _to_store(self):
        """Return the fitted model as plain values and arrays."""
        net = self.net_
        own = set(self.get_params(deep=False))
        state = {
            k: v
            for k, v in vars(self).items()
            if k not in own | {"net_", "_built_with"} and not k.startswith("_skl")
        }
        given = {name for name in _NOT_STORED & own if getattr(self, name) is not None}
        if "encoder_" in state and can_store(state["encoder_"]):
            given.discard("encoder")
        else:
            state.pop("encoder_", None)
        return {
            "class": type(self).__name__,
            "versions": {"sklearn_extra_ml": __version__, "sklearn": sklearn.__version__},
            "params": _storable_params(self),
            "given": sorted(given),
            "state": state,
            "built": self._built_with,
            "weights": dict(net.module_.state_dict()),
            "averages": None
            if net.averaged_module_ is None
            else dict(net.averaged_module_.state_dict()),
            "history": [dict(row) for row in net.history],
        }

    @classmethod
    def load(cls, path, **parameters):
        """Return the model that `save` wrote, on the device that its `device` parameter names.

        Parameters
        ----------
        path : str or Path
            The file.

        **parameters : dict
            Parameters to set besides the stored ones: `module` must be given again where the model
            was fitted with one, and so must a fitted `encoder` that is neither one of this package nor
            a PCA or a scaler of scikit-learn.

        Returns
        -------
        model : object
            Fitted.
        """
        import_torch()
        content = load_model(path)
        if content["class"] != cls.__name__:
            raise bad_value(
                "path",
                str(path),
                f"is a model of class {content['class']}",
                f"class {cls.__name__}",
                f"Call {content['class']}.load.",
            )
        for name, what in (
            ("module", "a network of your own"),
            ("encoder", "an encoder of another package"),
        ):
            if name in content["given"] and name not in parameters:
                raise ValueError(
                    f"The model was fitted with {what}, which is not stored. Allowed: `{name}` as it "
                    f"was given to the fit. Pass it: `load(path, {name}=...)`."
                )
        return cls._from_stored(content, **parameters)

    @classmethod
    def _from_stored(cls, content, **parameters):
        """Return the model of what `_to_store` returned."""
        from .._torch import _training as training

        model = cls(**content["params"])
        model.set_params(**parameters)
        builder = cls(**{**content["params"], **content["built"]["params"]})
        builder.set_params(**{k: v for k, v in parameters.items() if k == "module"})
        state = dict(content["state"])
        if "encoder" in content["given"]:
            state["encoder_"] = parameters["encoder"]
        elif "encoder_" in state and "encoder" not in parameters:
            model.encoder = state["encoder_"]
        vars(builder).update(state)
        vars(model).update(state)
        model._built_with = content["built"]
        device, _ = resolve_device_or_cpu(model.device)
        with training.forked_rng(device, seed=0):
            module = builder._make_module(content["built"]["n_in"])
            plan = builder._plan(content["built"]["batch_size"], None)
            net = training.new_net(module, plan, device, [])
            net.load_weights(content["weights"], content["averages"], content["history"])
            net.random_states_ = training.random_states(device)
        model.net_ = net
        return model

    def __setstate__(self, state):
        super().__setstate__(state)
        if "net_" not in vars(self):
            return
        device, replaced = resolve_device_or_cpu(self.device)
        if replaced:
            warnings.warn(
                f"The model was stored with `device`={self.device!r}, which this machine does not "
                "have; it was loaded to the CPU.",
                UserWarning,
                stacklevel=2,
            )
        self.net_.move(device)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")


def _storable_params(estimator):
    """Return the parameters that JSON can hold; a random state that is no number becomes None."""
    params = estimator.get_params(deep=False)
    if not isinstance(params.get("random_state"), (Integral, type(None))):
        params["random_state"] = None
    params["device"] = str(params["device"])
    return {name: value for name, value in params.items() if name not in _NOT_STORED}


def _copy_of_callback(callback):
    """Return a copy for one net: a clone, or where its state is no parameter of its class, all of it.

    skorch takes every attribute for a parameter whose name neither begins nor ends with "_".
    """
    try:
        return clone(callback, safe=False)
    except TypeError:
        return copy.deepcopy(callback)


def _print_epoch(net):
    row = net.history[-1]
    valid = f", validation loss = {row['valid_loss']:.8f}" if "valid_loss" in row else ""
    print(f"Iteration {len(net.history)}, loss = {row['train_loss']:.8f}{valid}")
