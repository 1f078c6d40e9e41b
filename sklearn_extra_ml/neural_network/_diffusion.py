"""Diffusion models of tables: density, samples, missing values."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from .._core._validation import Interval, fit_context, safe_indexing
from ._diffusion_base import DIFFUSION_CONSTRAINTS, BaseDiffusion, Trajectory


def _sees_columns(model):
    """Whether the network works on columns, which can be given and missing, rather than on codes."""
    if model.encoder is not None:
        raise AttributeError(
            "With `encoder` there is no `impute`: a row with missing entries has no code. Fit without."
        )
    return True


class DiffusionModel(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseDiffusion
):
    """Diffusion model of a table: its density, samples, and what is missing in its rows.

    A network learns to take noise of any strength out of rows. That is enough to draw new rows, to
    compute their density, to fill missing cells and to draw rows given any of their columns. Tables may
    mix numbers and categories and have missing values; a frame comes back as a frame with the same
    columns, dtypes, levels and share of missing values.

    Good for 50 to 100,000 rows and up to some hundred columns. Cost of `fit`: about 1 to 3 ms a gradient
    step on a CPU whatever the number of rows, so seconds for hundreds of rows and a minute for 10,000;
    a sample costs `n_sampling_steps` evaluations of the network, a density about 200 times the
    number of columns. For one or two smooth modes `sklearn.mixture.GaussianMixture` is faster and as
    good.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Width inside each residual block; the stream between blocks has the first of them. (256, 256)
        is better for 30 columns and more. With `image_shape`: the channels of each level of the U-Net,
        the finest first, each with half of the sides of the one before. "auto": (128, 128, 128), for
        images (32, 64).

    activation : {"silu", "relu", "leaky_relu", "gelu", "tanh", "sigmoid", "identity"}, default="silu"
        Activation of the hidden layers.

    dropout : float in [0, 1), default=0.0
        Share of hidden units (on images: channels) left out of each training step. Against repeating the
        training rows.

    image_shape : tuple of (channels, height, width), default=None
        Rows are images, flattened in this order. The network is a U-Net. With `encoder`, the shape of a
        code.

    attention : bool, default=False
        Let every pixel of the coarsest level attend to all others, and to the context. For images.

    encoder : transformer, default=None
        Latent diffusion: the model is one of the codes that ``encoder.transform`` gives, and what it
        draws is decoded by ``encoder.inverse_transform``: a `VAE`, an `AutoEncoder`, a
        `~sklearn.decomposition.PCA`. A fitted one is used as it is, another is cloned and fitted
        first. ``clone`` and grid searches fit it anew unless it is wrapped in a
        `~sklearn.frozen.FrozenEstimator`.

    parameterization : {"edm", "eps"}, default="edm"
        What the network is asked for. "edm": the preconditioning of Karras et al., on a continuous
        range of noise levels. "eps": the noise, on DDPM's Markov chain of `n_noise_levels`.

    sampler : {"dpmpp_2m", "heun", "euler", "ddim", "ddpm"}, default="dpmpp_2m"
        How samples are drawn: DPM-Solver++(2M), of second order with one evaluation of the network a
        step; Heun's method, of second order with two; Euler's method; DDIM; the reverse Markov chain of
        DDPM. The last two walk the levels of the DDPM chain and need 50 and more steps; any sampler
        works with any `parameterization`.

    n_sampling_steps : int, default=20
        Steps of the sampler, at least 1. 40 halve what error 20 leave.

    guidance_scale : float, default=1.0
        Classifier-free guidance: the difference that the context makes is multiplied by it. 1 draws from
        what was learnt, more makes contexts more pronounced and samples less diverse.

    dropout_context : float in [0, 1), default=0.1
        Share of the rows that are trained without their context: guidance works from them. So do
        densities without context.

    noise_schedule : {"linear", "cosine"}, default="linear"
        Variances of the DDPM chain.

    n_noise_levels : int, default=1000
        Levels of the DDPM chain.

    sigma_min : float in (0, 1), default=0.002
        Least standard deviation of the noise, in units of a column's.

    sigma_max : float above 1, default=80.0
        Largest standard deviation of the noise. It must drown the data: 20 is enough for most tables.

    denoise_sigma : float, default=0.5
        Noise that `predict` takes out, in units of a column's standard deviation.

    n_ode_steps : int, default=48
        Runge-Kutta steps of `score_samples`, `transform` and `inverse_transform`, four evaluations each.

    n_resample : int, default=20
        Times that `impute` takes each step, so that what it draws agrees with what is known. With few,
        some rows fall between two modes.

    standardize : {"auto", "column", "global", "quantile"} or False, default="auto"
        How numbers are scaled: each column; centred columns, divided by one scale; each column's
        quantiles to a normal distribution (heavy tails); or not at all, when they have unit variance.
        "auto": "quantile" for columns in which one value is held by a quarter of the rows or more (and
        there are more than two), "column" for the others; "global" for images, whose pixels near the
        edge would become mostly noise if each had a scale of its own. By quantiles, a value that a
        tenth of the rows hold is drawn exactly, as often as it occurs.

    categorical_features : "from_dtype" or array-like of int, bool or str, default="from_dtype"
        Which columns hold categories: names, positions or a mask. "from_dtype": strings, objects,
        booleans and categories of a frame; no column of an array.

    categorical_encoding : {"onehot", "embedding"}, default="onehot"
        "embedding": a fixed code of about 2 log2(levels) numbers, for columns of many levels.

    clip_samples : bool, default=True
        Keep the numbers of samples within the range of the training rows.

    round_samples : bool, default=True
        Round the numbers of samples to what the training rows hold in their column: up to 6 decimals
        (whole numbers stay whole), equal steps (whole numbers that were scaled), or a few values (a
        switch that was standardised). Other columns are left as they are drawn.

    solver : {"adamw", "adam", "sgd"}, default="adamw"
        Optimiser; "sgd" has Nesterov momentum 0.9.

    alpha : float, default=0.0
        Weight decay of matrices (not of biases): decoupled in "adamw", an L2 penalty in the others.

    batch_size : int or "auto", default="auto"
        Rows of a gradient step; "auto": ``min(256, n_samples)``.

    learning_rate : {"cosine", "constant"}, default="cosine"
        Whether the rate falls to 0 over the training like a cosine, or stays.

    learning_rate_init : float, default=2e-3
        The rate at its highest.

    warmup : float in [0, 1], default=0.03
        Share of the training in which the rate rises from 0.

    max_iter : int or "auto", default="auto"
        Number of epochs. "auto": as many as make 15 gradient steps a row up to 160 rows (at least 100
        steps), 2,400 steps up to 500 rows, and ``2400 * (n_samples / 500) ** 0.4`` for more. With
        `image_shape`: 4 gradient steps a row, at least 300 and at most 1,500.

    max_grad_norm : float, default=None
        Gradients of a larger Euclidean norm are scaled down to it.

    ema_decay : float in [0, 1), default=0.999
        Predict with exponentially averaged weights of this decay a step. None: with the last weights.

    early_stopping : bool, default=False
        Hold rows out, stop when their loss no longer falls, and keep the weights that were best. The
        loss is noisy: rarely worth it here.

    validation_fraction : float in (0, 1), default=0.1
        Share of rows held out by `early_stopping`.

    n_iter_no_change : int, default=50
        Epochs without a validation loss lower by `tol` after which `early_stopping` stops.

    tol : float, default=1e-4
        What counts as lower.

    warm_start : bool, default=False
        Whether `fit` goes on from the last one: weights, optimiser, random state, scale of the data.

    precision : {"float32", "tf32", "bf16"}, default="float32"
        Arithmetic of the matrix products. "tf32": rounded inputs on GPUs that have it; "bf16": automatic
        mixed precision in training. Weights and results are float32 always. "bf16" holds for samples on
        a GPU too.

    compile : bool, default=False
        Compile the loss by ``torch.compile``: pays for long trainings of large networks.

    cuda_graph : bool or "auto", default="auto"
        On a GPU, capture the training step as a graph and replay it, several times faster for small
        networks. "auto": where it pays and is possible; True: raise where it is impossible. Samplers are
        captured too.

    device : str or torch.device, default="auto"
        Where to train and predict; "auto": the GPU if there is one.

    module : class, function or torch.nn.Module, default=None
        A network of your own, called as ``module(u, log_sigma, context)`` with rows `u` of unit
        variance, log noise levels of shape (n, 1) or (1, 1), and contexts or None; it returns the shape
        of `u`. A class or function is called with the number of encoded columns and of context
        columns (one more than those of y: it tells whether the context is given).

    callbacks : list of skorch callbacks, default=None
        Called with ``net_``; instances are cloned.

    checkpoint_dir : str or path, default=None
        Folder for checkpoints, at most one a second, each file written whole or not at all. A `fit` with
        the same data and parameters after a crash or Ctrl-C goes on there and, on the CPU, ends with the
        same bits. One file for each combination of data and parameters; delete them when you are done.

    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches and noise. torch's and numpy's global generators are left alone. Repeats
        are equal bit for bit on the CPU, for one number of threads. Samples are drawn from it where
        their call names none.

    verbose : bool, default=False
        Print a line an epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net: ``net_.module_`` is the torch module, ``net_.history`` skorch's history.
        ``net_.inference_module`` is the denoiser with the averaged weights.

    classes_ : ndarray of shape (n_classes,)
        Class labels. Defined only when `y` holds classes.

    history_ : dict of lists
        For each epoch ``loss``, ``validation_loss`` (with `early_stopping`), ``learning_rate`` and
        ``seconds``.

    loss_curve_ : list of float
        Training loss of each epoch. It is the mean squared error of the network, which does not go to 0:
        part of the noise cannot be told from the data.

    n_iter_ : int
        Epochs done.

    best_loss_ : float
        Lowest validation loss with `early_stopping`, else lowest training loss.

    encoder_ : object
        The fitted encoder. Defined only with `encoder`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    DiffusionClassifier : Classes by Bayes' rule over such a model.
    VAE : Faster samples and a code of few numbers.
    sklearn.mixture.GaussianMixture : For few smooth modes.

    Notes
    -----
    Densities come from the probability-flow ODE on a fixed grid in float64, so a row's result does not
    depend on the other rows of the call. Columns that are constant are left out of the density.

    References
    ----------
    .. [1] Ho, Jain and Abbeel (2020), Denoising Diffusion Probabilistic Models.
    .. [2] Song et al. (2021), Score-Based Generative Modeling through Stochastic Differential Equations.
    .. [3] Karras, Aittala, Aila and Laine (2022), Elucidating the Design Space of Diffusion-Based
       Generative Models.
    .. [4] Lu et al. (2022), DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Models.
    .. [5] Lugmayr et al. (2022), RePaint: Inpainting using Denoising Diffusion Probabilistic Models.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_extra_ml.neural_network import DiffusionModel
    >>> X, _ = make_moons(200, noise=0.1, random_state=0)
    >>> model = DiffusionModel(max_iter=400, random_state=0).fit(X)
    >>> model.sample(3).shape
    (3, 2)
    >>> on, off = model.score_samples([[0.0, 1.0], [0.5, 1.5]])
    >>> bool(on > off)
    True
    >>> model.sample(2, conditions={0: 1.5})[:, 0]
    array([1.5, 1.5], dtype=float32)
    """

    _parameter_constraints: dict = {
        **DIFFUSION_CONSTRAINTS,
        "denoise_sigma": [Interval(Real, 0, None, closed="neither")],
        "n_ode_steps": [Interval(Integral, 1, None, closed="left")],
        "n_resample": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        activation="silu",
        dropout=0.0,
        image_shape=None,
        attention=False,
        encoder=None,
        parameterization="edm",
        sampler="dpmpp_2m",
        n_sampling_steps=20,
        guidance_scale=1.0,
        dropout_context=0.1,
        noise_schedule="linear",
        n_noise_levels=1000,
        sigma_min=0.002,
        sigma_max=80.0,
        denoise_sigma=0.5,
        n_ode_steps=48,
        n_resample=20,
        standardize="auto",
        categorical_features="from_dtype",
        categorical_encoding="onehot",
        clip_samples=True,
        round_samples=True,
        solver="adamw",
        alpha=0.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=2e-3,
        warmup=0.03,
        max_iter="auto",
        max_grad_norm=None,
        ema_decay=0.999,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=50,
        tol=1e-4,
        warm_start=False,
        precision="float32",
        compile=False,
        cuda_graph="auto",
        device="auto",
        module=None,
        callbacks=None,
        checkpoint_dir=None,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.image_shape = image_shape
        self.attention = attention
        self.encoder = encoder
        self.parameterization = parameterization
        self.sampler = sampler
        self.n_sampling_steps = n_sampling_steps
        self.guidance_scale = guidance_scale
        self.dropout_context = dropout_context
        self.noise_schedule = noise_schedule
        self.n_noise_levels = n_noise_levels
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.denoise_sigma = denoise_sigma
        self.n_ode_steps = n_ode_steps
        self.n_resample = n_resample
        self.standardize = standardize
        self.categorical_features = categorical_features
        self.categorical_encoding = categorical_encoding
        self.clip_samples = clip_samples
        self.round_samples = round_samples
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.warmup = warmup
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.precision = precision
        self.compile = compile
        self.cuda_graph = cuda_graph
        self.device = device
        self.module = module
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the network.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows. Entries may be missing (NaN, null); infinity is refused.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            What to condition on: class labels, or one or more numbers for each row.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For bad input, and parameters that do not fit each other.
        """
        return self._train(X, y)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train on: one pass over the rows, at a constant learning rate.

        The first call learns columns, scales, levels and classes from its rows; later ones must
        hold the same.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        self : object
            The model.
        """
        return self._train(X, y, one_pass=True)

    def _train(self, X, y, one_pass=False):
        goes_on = (one_pass or self.warm_start) and hasattr(self, "net_")
        self._check_levels()
        X = self._check_table(X, reset=not goes_on)
        if not goes_on:
            self._fit_encoder(X, y)
            context = self._fit_context(X, y)
            if self._context is not None and self._context.classes is not None:
                self.classes_ = self._context.classes
        else:
            context = None if y is None else self._contexts(y, len(X))
            if context is None and self._context is not None:
                raise ValueError(
                    "`y` is None, but the model was fitted with y. Allowed: y for every row. Pass it."
                )
        rows = self._encode(X)
        self._n_features_out = rows.shape[1]
        return self._fit_net(rows, context, partial=one_pass)

    # --- density and the flow --------------------------------------------------------------------

    def score_samples(self, X, y=None):
        """Log-density of each row, by the probability-flow ODE.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Their contexts, for the conditional density. None: the density without context.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float32
            In nats, in the units of `X`. The trace of the Jacobian is exact for up to 64 encoded
            columns; above, it is estimated with 16 fixed probes, and for images with 2 at each step:
            errors of some tenths of a nat, most of it the same for all rows.
            With categories or missing values it is the density of the encoded row: good to compare rows
            by, but no probability mass. With `encoder` it is the density of the row's code, in nats
            in units of the code: it says nothing of what the code leaves out of the row.
        """
        check_is_fitted(self)
        codes = self._codes(self._check_table(X, reset=False))
        values = self._flow("log_density", np.nan_to_num(self._table.transform(codes)), y)
        return (values + self._table.log_jacobian(codes)).astype(np.float32)

    def score(self, X, y=None):
        """Mean log-density of the rows in nats: see `score_samples`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Their contexts. A row of a class that the model was not fitted with, as folds of a
            cross-validation may hold, counts with its density without context.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        if y is None or getattr(self, "classes_", None) is None:
            return float(self.score_samples(X, y).mean(dtype=np.float64))
        check_consistent_length(X, y)
        y = np.asarray(y).reshape(-1)
        seen = np.isin(y, self.classes_)
        values = []
        if seen.any():
            values.append(self.score_samples(safe_indexing(X, np.flatnonzero(seen)), y[seen]))
        if not seen.all():
            values.append(self.score_samples(safe_indexing(X, np.flatnonzero(~seen))))
        return float(np.concatenate(values).mean(dtype=np.float64))

    def transform(self, X, y=None):
        """The noise that rows become along the probability flow.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Their contexts. None: without context.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_encoded), float32
            About standard normal for rows like those of the fit.
        """
        check_is_fitted(self)
        codes = self._codes(self._check_table(X, reset=False))
        rows = np.nan_to_num(self._table.transform(codes))
        return self._flow("to_noise", rows, y).astype(np.float32)

    def inverse_transform(self, X, y=None):
        """The rows that noise becomes: `transform` backwards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_encoded)
            Noise, from `transform` or standard normal.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Contexts of the rows to make, those of `transform` or others. None: without context.

        Returns
        -------
        X_original : array or frame of shape (n_samples, n_features)
            Not clipped.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=np.float64, input_name="X")
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but the noise has {self._n_features_out}. Allowed: what "
                "`transform` returned. Pass noise."
            )

        return self._decode(self._flow("from_noise", Z, y), clip=False, rounded=False)

    # --- samples ---------------------------------------------------------------------------------

    def sample(
        self,
        n_samples=1,
        y=None,
        *,
        conditions=None,
        random_state=None,
        n_steps=None,
        return_trajectory=False,
    ):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        y : label, number or array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Contexts to draw rows for; one for all, or one each. None: as frequent as in training.

        conditions : dict, default=None
            Column (name or position) -> its value, or `n_samples` values. The other columns are
            drawn given these, by `impute`; no row is drawn in vain.

        random_state : int, RandomState instance or None, default=None
            None: that of the model.

        n_steps : int, default=None
            Steps of the sampler. None: `n_sampling_steps`.

        return_trajectory : bool, default=False
            Whether to return the states on the way too.

        Returns
        -------
        X : array or frame of shape (n_samples, n_features)
            A frame like the fitted one, or a float32 array.

        trajectory : Trajectory
            Only with `return_trajectory`: ``sigmas``, ``states`` and ``denoised``.

        Raises
        ------
        ValueError
            For classes or columns that the model does not know.
        """
        check_is_fitted(self)
        self._check_n(n_samples, n_steps)
        watched = []

        def watch(i, x, denoised):
            if i == len(watched):
                watched.append(([], []))
            watched[i][0].append(x.cpu().numpy())
            watched[i][1].append(denoised.cpu().numpy())

        watch = watch if return_trajectory else None
        if conditions:
            if self.encoder is not None:
                raise ValueError(
                    "`conditions` were given, but the model is one of codes (`encoder`). Allowed: None. "
                    "Condition on `y`, or fit without `encoder`."
                )
            known, given = self._table.transform_conditions(conditions, n_samples)
            sigmas, Z = self._impute_rows(known, y, random_state, n_steps, watch)
            X = self._decode(Z, missing=False, given=given)
        else:
            sigmas, Z = self._sample_rows(n_samples, y, random_state, n_steps, self.sampler, watch)
            X = self._decode(Z)
        if not return_trajectory:
            return X
        shrink = 1 / np.sqrt(1 + sigmas**2)
        states = [
            self._decode(np.concatenate(x) * c, clip=False, rounded=False)
            for (x, _), c in zip(watched, shrink, strict=False)
        ]
        denoised = [self._decode(np.concatenate(d), rounded=False) for _, d in watched]
        return X, Trajectory(sigmas, [*states, X], denoised)

    @available_if(_sees_columns)
    def impute(self, X, y=None, *, random_state=None, n_steps=None):
        """Draw the missing entries of rows given the others (RePaint).

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows; NaN or null where missing, in any column.

        y : label, number or array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Contexts of the rows. None: drawn as frequent as in training, for each row.

        random_state : int, RandomState instance or None, default=None
            None: that of the model.

        n_steps : int, default=None
            Noise levels. None: twice `n_sampling_steps`.

        Returns
        -------
        X_imputed : array or frame of shape (n_samples, n_features)
            A copy. What was given is as it was; every missing entry is one draw from its
            distribution given the rest of its row: draw several times for the uncertainty.
        """
        check_is_fitted(self)
        table = self._check_table(X, reset=False, to_impute=True)
        known = self._table.transform(table, to_impute=True)
        index = X.index if hasattr(X, "index") and hasattr(X, "iloc") else None
        _, Z = self._impute_rows(known, y, random_state, n_steps, None)
        given = self._table.observed(table)
        out = self._table.inverse_transform(
            Z,
            clip=self.clip_samples,
            rounded=self.round_samples,
            missing=False,
            given=given,
            index=index,
        )
        if isinstance(out, np.ndarray) and table.dtype != object:
            out = out.astype(table.dtype)
        return out

    def predict(self, X, y=None):
        """Rows without the noise that they are taken to hold, of standard deviation `denoise_sigma`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Noisy rows.

        y : array-like of shape (n_samples,) or (n_samples, n_context), default=None
            Their contexts. None: without context.

        Returns
        -------
        X_denoised : array or frame of shape (n_samples, n_features)
            The expectation of the clean row given the noisy one.
        """
        check_is_fitted(self)
        X = self._check_table(X, reset=False)
        rows = np.nan_to_num(self._encode(X))
        context = None if y is None else self._contexts(y, len(rows))
        Z = self._apply("denoise_rows", rows, context, sigma=float(self.denoise_sigma))
        return self._decode(Z, clip=False, rounded=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
