"""What the diffusion estimators share: input, context, network, sampling."""

from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.utils import check_array, check_consistent_length, check_random_state, get_tags
from sklearn.utils.validation import validate_data

from .._core._validation import Interval, Options, StrOptions, bad_value
from .._torch._device import (
    explained_memory,
    forked_child_threads,
    import_torch,
    matmul_precision,
)
from .._torch._solvers import BETAS, SOLVERS
from .._torch._table import TableEncoder, is_frame
from ._base import ACTIVATIONS, TRAINING_CONSTRAINTS, BaseDeep
from ._context import ContextEncoder
from ._latent import fitted_encoder
from ._network_checks import check_image_shape

_LAST_SIGMA = 0.01  # samplers leave so little noise to the last step at once
_IMPUTE_LEVELS = 2  # noise levels of `impute` for each sampling step: its chain asks for small ones
_IMPUTE_RANGE = (0.03, 20.0)
_SIZES = (128, 128, 128)  # of blocks, for tables
_CHANNELS = (32, 64)  # of levels, for images
_NUMBERS_AT_ONCE = 1 << 24  # of a layer of a U-Net

DIFFUSION_CONSTRAINTS = {
    "hidden_layer_sizes": [
        "array-like",
        Interval(Integral, 1, None, closed="left"),
        StrOptions({"auto"}),
    ],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "image_shape": ["array-like", None],
    "attention": ["boolean"],
    "encoder": "no_validation",  # see `_fit_encoder`
    "parameterization": [StrOptions({"edm", "eps"})],
    "sampler": [StrOptions(set(SOLVERS))],
    "n_sampling_steps": [Interval(Integral, 1, None, closed="left")],
    "guidance_scale": [Interval(Real, 0, None, closed="left")],
    "dropout_context": [Interval(Real, 0, 1, closed="left")],
    "noise_schedule": [StrOptions(set(BETAS))],
    "n_noise_levels": [Interval(Integral, 2, None, closed="left")],
    "sigma_min": [Interval(Real, 0, 1, closed="neither")],
    "sigma_max": [Interval(Real, 1, None, closed="neither")],
    "standardize": [
        StrOptions({"auto", "column", "global", "quantile"}),
        Options(bool, {False}),
    ],
    "categorical_features": ["array-like", StrOptions({"from_dtype"})],
    "categorical_encoding": [StrOptions({"onehot", "embedding"})],
    "clip_samples": ["boolean"],
    "round_samples": ["boolean"],
    **TRAINING_CONSTRAINTS,
    "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
}


class Trajectory(NamedTuple):
    """The way of a sample from noise to data."""

    sigmas: np.ndarray  # (n_steps + 1,): standard deviation of the noise in each state, last 0
    states: list  # n_steps + 1 tables like the sample: rows, shrunk to unit variance while noisy
    denoised: list  # n_steps tables: what the network takes each state for


class BaseDiffusion(BaseDeep):
    """Base of `DiffusionModel` and `DiffusionClassifier`."""

    # --- input -----------------------------------------------------------------------------------

    def _check_table(self, X, *, reset, to_impute=False):
        """Return X: frames as they are, anything else as a float array; tables may hold NaN."""
        if not is_frame(X):
            complete = self.image_shape is not None and self.encoder is None and not to_impute
            return self._validate_rows(
                X, reset=reset, ensure_all_finite=True if complete else "allow-nan"
            )
        validate_data(self, X, skip_check_array=True, reset=reset)
        n_rows, n_columns = X.shape
        for n, what, verb in (
            (n_rows, "sample", "sample(s)"),
            (n_columns, "feature", "feature(s)"),
        ):
            if n == 0:
                raise ValueError(
                    f"Found array with 0 {verb} (shape={X.shape}) while a minimum of 1 is required. "
                    f"Pass a frame with a {what}."
                )
        return X

    def _fit_encoder(self, X, y):
        """Fit `encoder_`, and the table of what the network sees: codes, or the rows themselves."""
        vars(self).pop("encoder_", None)
        if self.encoder is not None:
            self.encoder_ = fitted_encoder(self.encoder, X, y, self._seed)
        images = self.image_shape is not None
        if (images or self.encoder is not None) and not isinstance(self.categorical_features, str):
            raise bad_value(
                "categorical_features",
                self.categorical_features,
                "names columns of a table",
                "'from_dtype' with `image_shape` or `encoder`",
                "Leave it out.",
            )
        self._table = TableEncoder(
            self._scaling(), self.categorical_features, self.categorical_encoding, complete=images
        ).fit(self._codes(X))
        if images:
            self._check_image()

    def _codes(self, X):
        """Return the codes of a checked table, or itself without `encoder`."""
        encoder = vars(self).get("encoder_")
        if encoder is None:
            return X
        with config_context(transform_output="default"):
            codes = encoder.transform(X)
        return check_array(codes, dtype=[np.float64, np.float32], input_name="codes")

    def _encode(self, X):
        """Return the float32 rows of a checked table, NaN where numbers are missing."""
        return self._table.transform(self._codes(X)).astype(np.float32)

    def _check_image(self):
        """Raise for an `image_shape` that fits neither the columns nor the depth of the network."""
        if self._table.categorical:
            raise ValueError(
                f"`image_shape`={self.image_shape!r} needs columns of numbers, one for each pixel, but "
                "X has columns of categories. Allowed: frames of numbers. Convert them."
            )
        what = "n_features" if self.encoder is None else "the number of code columns"
        _, *sides = check_image_shape(self.image_shape, self._table.n_encoded, what)
        n_levels = len(self._hidden_sizes())
        least = 2**n_levels if n_levels == 1 else 2 ** (n_levels - 1) + 1
        if self.module is None and min(sides) < least:
            raise bad_value(
                "image_shape",
                self.image_shape,
                f"is too small for {n_levels} levels (`hidden_layer_sizes`={self._hidden_sizes()}), "
                "each of which has half of the sides of the one before",
                f"sides of at least {least}, so that 2 pixels are left",
                "Name fewer channels in `hidden_layer_sizes`.",
            )

    def _scaling(self):
        """Return how the table scales its numbers."""
        if self.standardize != "auto":
            return self.standardize
        return "auto" if self.image_shape is None else "global"

    def _hidden_sizes(self):
        if isinstance(self.hidden_layer_sizes, str):  # "auto"
            return _SIZES if self.image_shape is None else _CHANNELS
        return super()._hidden_sizes()

    def _check_levels(self):
        if not self.sigma_min < self.sigma_max:
            raise bad_value(
                "sigma_min",
                self.sigma_min,
                f"is not below `sigma_max`={self.sigma_max}",
                f"0 to {self.sigma_max}",
                "Lower it.",
            )
        if not self._hidden_sizes():
            raise bad_value(
                "hidden_layer_sizes",
                self.hidden_layer_sizes,
                "has no layer",
                "at least one size",
                "Name a width, (128,) for instance.",
            )
        if self.attention and self.image_shape is None:
            raise bad_value(
                "attention", True, "is for images", "False without `image_shape`", "Pass the shape."
            )

    # --- network ---------------------------------------------------------------------------------

    def _n_epochs(self, n_rows, batch_size):
        if self.max_iter != "auto":
            return self.max_iter
        n_batches = -(-n_rows // batch_size)
        return -(-self._n_steps(n_rows) // n_batches)

    def _n_steps(self, n_rows):
        """Return the default number of gradient steps."""
        return gradient_steps(n_rows) if self.image_shape is None else image_steps(n_rows)

    def _make_module(self, n_in):
        from .._torch._denoiser import ConditionalMLP, Denoiser

        n_context = 0 if self._context is None else self._context.n_context
        seen = n_context + 1 if n_context else 0
        has_classes = n_context > 0 and self._context.classes is not None
        if self.module is not None:
            network = self._given_module(n_in, seen)
        elif self.image_shape is not None:
            from .._torch._unet import UNet

            network = UNet(
                tuple(int(side) for side in self.image_shape),
                self._hidden_sizes(),
                activation=self.activation,
                n_context=seen,
                dropout=self.dropout,
                attention=self.attention,
                has_classes=has_classes,
            )
        else:
            network = ConditionalMLP(
                n_in, self._hidden_sizes(), self.activation, seen, self.dropout, has_classes
            )
        return Denoiser(
            network,
            self.parameterization,
            n_context=n_context,
            dropout_context=float(self.dropout_context),
            sigma_range=(float(self.sigma_min), float(self.sigma_max)),
            chain=(self.noise_schedule, int(self.n_noise_levels)),
            denoise_sigma=float(getattr(self, "denoise_sigma", 0.5)),
            has_missing=len(self._table.gappy) > 0,
        )

    def _check_module(self, module, rows, context):
        if self.module is None:
            return
        import torch

        x = torch.from_numpy(np.nan_to_num(rows[:2]))
        seen = torch.zeros(len(x), module.n_context + 1) if module.n_context else None
        module.eval()
        with torch.no_grad():
            output = module.network(x, torch.zeros(1, 1), seen)
        module.train()
        if tuple(getattr(output, "shape", ())) != tuple(x.shape):
            raise ValueError(
                f"`module` returned shape {tuple(getattr(output, 'shape', ()))} for rows of shape "
                f"{tuple(x.shape)}. Allowed: the shape of the rows. Its forward is called as "
                "`module(u, log_sigma, context)`: change its last layer."
            )

    def _rows_at_once(self):
        """Return how many rows to predict at a time; the same on every device."""
        row_size = getattr(self.net_.inference_module.network, "row_size", 1)
        return max(1, min(super()._rows_at_once(), _NUMBERS_AT_ONCE // row_size))

    # --- sampling --------------------------------------------------------------------------------

    def _sigmas(self, sampler, n_steps):
        """Return the falling levels that a sampler walks, with the last 0."""
        from .._torch import _solvers

        low, high = self._range()
        if sampler in _solvers.CHAIN_SOLVERS:
            chain = _solvers.chain_sigmas(self.noise_schedule, self.n_noise_levels)
            if self.parameterization == "edm":
                inside = (chain >= low) & (chain <= high)
                chain = chain[inside] if inside.any() else np.array([low, high])
            return _solvers.respaced_sigmas(chain, n_steps)
        return np.append(_solvers.even_sigmas(n_steps, max(low, _LAST_SIGMA), high), 0.0)

    def _range(self):
        """Return the lowest and highest noise level that the network has learnt."""
        low, high = float(self.sigma_min), float(self.sigma_max)
        if self.parameterization == "eps":
            from .._torch._solvers import chain_sigmas

            chain = chain_sigmas(self.noise_schedule, self.n_noise_levels)
            low, high = max(low, chain[0]), min(high, chain[-1])
        return low, high

    def _draw(self, solve, context, random_state, shape, n_calls):
        """Run ``solve(denoise, noise, device, block)`` over blocks of rows; return float32 rows.

        All noise comes from one generator on the CPU, so that devices agree. `n_calls`: how often
        a block calls `denoise`.
        """
        torch = import_torch()
        from .._torch._graph import guided_for_sampler

        rng = check_random_state(self.random_state if random_state is None else random_state)
        generator = torch.Generator().manual_seed(int(rng.randint(np.iinfo(np.int32).max)))
        device = torch.device(self.net_.device)

        def noise(like):
            return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)

        blocks, n_block = [], self._rows_at_once()
        half = self.precision == "bf16" and device.type == "cuda"
        options = {"guidance_scale": float(self.guidance_scale), "precision": self.precision}
        with (
            torch.inference_mode(),
            forked_child_threads(),
            matmul_precision(self.precision),
            torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=False),
            explained_memory("A block of samples", device, "Free memory, or use another `device`."),
        ):
            for start in range(0, shape[0], n_block):
                block = slice(start, min(start + n_block, shape[0]))
                seen = None
                if context is not None:
                    seen = torch.from_numpy(context[block]).to(device)
                like = torch.empty(block.stop - start, shape[1], device=device)
                denoise = guided_for_sampler(self.net_, seen, x=like, n_calls=n_calls, **options)
                x = solve(denoise, noise, device, block)
                blocks.append(x.cpu().numpy())
        return np.concatenate(blocks)

    def _contexts_to_sample(self, n, y, random_state):
        """Return the contexts of `n` rows to draw: of `y`, or as frequent as in training."""
        if y is None and self._context is None:
            return None
        if y is None:
            rng = check_random_state(self.random_state if random_state is None else random_state)
            return self._context.draw(n, rng)
        return self._contexts(np.repeat(np.asarray(y), n) if np.ndim(y) == 0 else y, n)

    def _contexts(self, y, n):
        """Return the float32 contexts of `y`, for `n` rows."""
        if self._context is None:
            raise ValueError(
                "`y` was given, but the model was fitted without y. Allowed: None. Fit with y to "
                "condition on it."
            )
        context = self._context.transform(y)
        if len(context) != n:
            raise bad_value(
                "y",
                f"array of {len(context)}",
                f"does not fit {n} rows",
                f"one value, or {n}",
                "Pass one for each row.",
            )
        return context

    def _sample_rows(self, n, y, random_state, n_steps, sampler, watch=None):
        """Draw `n` encoded rows."""
        from .._torch._solvers import SOLVERS

        sigmas = self._sigmas(sampler, self.n_sampling_steps if n_steps is None else n_steps)
        context = self._contexts_to_sample(n, y, random_state)
        n_encoded = self._table.n_encoded

        def solve(denoise, noise, device, block):
            like = import_torch().empty(block.stop - block.start, n_encoded, device=device)
            return SOLVERS[sampler](denoise, float(sigmas[0]) * noise(like), sigmas, noise, watch)

        return sigmas, self._draw(solve, context, random_state, (n, n_encoded), len(sigmas) - 1)

    def _impute_rows(self, known, y, random_state, n_steps, watch):
        """Return levels and encoded rows with their NaN drawn."""
        torch = import_torch()
        from .._torch._solvers import even_sigmas, repaint

        self._check_n(len(known), n_steps)
        n_levels = _IMPUTE_LEVELS * self.n_sampling_steps if n_steps is None else n_steps
        low, high = self._range()
        levels = even_sigmas(n_levels, max(low, _IMPUTE_RANGE[0]), min(high, _IMPUTE_RANGE[1]))
        sigmas = np.append(levels, 0.0)
        mask = (~np.isnan(known)).astype(np.float32)
        known = np.nan_to_num(known).astype(np.float32)
        context = self._contexts_to_sample(len(known), y, random_state)

        def solve(denoise, noise, device, block):
            x = torch.from_numpy(known[block]).to(device)
            seen = torch.from_numpy(mask[block]).to(device)
            return repaint(denoise, x, seen, sigmas, noise, self.n_resample, watch)

        n_calls = n_levels * self.n_resample
        return sigmas, self._draw(solve, context, random_state, known.shape, n_calls)

    # --- the flow ---

    def _flow(self, what, rows, y):
        """Return a function of `_probability_flow` of encoded rows; each row's is its own."""
        torch = import_torch()
        from .._torch import _probability_flow as flow
        from .._torch._denoiser import with_context

        context = None if y is None else self._contexts(y, len(rows))
        device = torch.device(self.net_.device)
        grid = flow.flow_grid(self.n_ode_steps, *self._range())
        row_size = getattr(self.net_.inference_module.network, "row_size", None)
        # of images, single precision errs by 1e-4 nats, the few probes by 0.2, and takes half the time
        single = device.type == "mps" or row_size is not None
        dtype = torch.float32 if single else torch.float64
        if row_size is None:
            n_directions, n_probes = min(rows.shape[1], flow.EXACT_TRACE), None
            n_block = flow.rows_in_block(n_directions, max(self._hidden_sizes()))
        else:
            n_block, n_probes = flow.rows_in_block(1, row_size), flow.N_FRESH_PROBES
        blocks = []
        with torch.no_grad(), forked_child_threads():
            denoiser = deepcopy(self.net_.inference_module).to(dtype)
            for start in range(0, len(rows), n_block):
                x = torch.from_numpy(rows[start : start + n_block]).to(device, dtype)
                seen = x.new_zeros(len(x), denoiser.n_context + 1) if denoiser.n_context else None
                if context is not None:
                    block = torch.from_numpy(context[start : start + n_block])
                    seen = with_context(block.to(device, dtype))
                field = partial(denoiser.field, context=seen)
                if what == "log_density":
                    traced = partial(denoiser.field_and_trace, context=seen)
                    out = flow.log_density(field, traced, x, grid, n_probes)
                else:
                    out = getattr(flow, what)(field, x, grid)
                blocks.append(out.cpu().numpy())
        return np.concatenate(blocks).astype(np.float64)

    # --- output ---

    def _decode(self, Z, **options):
        """Return the table of encoded rows; arrays as float32."""
        usual = {"clip": self.clip_samples, "rounded": self.round_samples}
        table = self._table.inverse_transform(Z, **{**usual, **options})
        encoder = vars(self).get("encoder_")
        if encoder is not None:
            with config_context(transform_output="default"):
                table = np.asarray(encoder.inverse_transform(table.astype(np.float32)))
        plain = isinstance(table, np.ndarray) and table.dtype != object
        return table.astype(np.float32) if plain else table

    def _check_n(self, n_samples, n_steps):
        for name, value in (("n_samples", n_samples), ("n_steps", n_steps)):
            if value is None and name == "n_steps":
                continue
            if not isinstance(value, Integral) or value < 1:
                raise bad_value(
                    name, value, "is no number of them", "integers of at least 1", "Raise it."
                )

    def _fit_context(self, X, y):
        """Learn the context encoder of y; return the contexts of the rows (None without y)."""
        self._context = None
        if y is None:
            return None
        check_consistent_length(X, y)
        self._context = ContextEncoder().fit(y)
        return self._context.transform(y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.image_shape is None
        if hasattr(self.encoder, "transform") and not isinstance(self.encoder, type):
            tags.input_tags.allow_nan = get_tags(self.encoder).input_tags.allow_nan
        return tags


def image_steps(n_rows):
    """Return the default number of gradient steps for images."""
    return max(300, min(1500, 4 * n_rows))


def gradient_steps(n_rows):
    """Return the default number of gradient steps: 15 a row up to 160 rows, more above 500."""
    few = max(100, min(2400, 15 * n_rows))
    return int(few * max(1.0, n_rows / 500) ** 0.4)
