"""Variational autoencoders: a density with a code, to sample from, to impute and to score with."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._core._validation import Interval, StrOptions, bad_value, fit_context
from .._torch._device import import_torch
from .._torch._scaling import Standardizer
from .._torch._storage import storable
from .._torch._table import TableEncoder, is_frame
from ._base import NETWORK_CONSTRAINTS, STANDARDIZE_CONSTRAINT, TRAINING_CONSTRAINTS, BaseDeep
from ._network_checks import check_image_shape, require_methods
from ._vae_classes import class_numbers, class_numbers_of_rows, learn_classes, wants_classes

_NOISE_SEED = 0  # of `score_samples` and `impute`: the same draws for every row and call
_VARIANCE_DRAWS = 8
_MIN_DRAWS = 64  # of a bound, in groups of `n_importance_samples`


@storable
class VAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseDeep):
    """Variational autoencoder: a density over rows, with a code of few numbers.

    Learns p(x) as a mixture over codes z ~ N(0, I) of what a decoder makes of them. Codes
    (`transform`), new rows (`sample`, by class when fitted with classes), a log-density
    (`score_samples`), and missing entries (`impute`) come from one model. With
    ``hidden_layer_sizes=()`` it is probabilistic PCA.

    `DiffusionModel` gives better samples and densities for more time; a Gaussian mixture is enough
    for few features.

    Parameters
    ----------
    n_components : int, default=2
        Numbers in the code.

    likelihood : {"gaussian", "bernoulli", "mixed"}, default="gaussian"
        What the decoder describes. "gaussian": real features, all with one variance, which is learnt
        (in units of the standardised data). "bernoulli": features in [0, 1]. "mixed": tables with
        numbers, categories and missing entries; frames come back as frames of the same dtypes.

    beta : float, default=1.0
        Weight of the Kullback-Leibler term. 1 is a bound of the likelihood; more makes codes more
        independent, less makes reconstructions sharper and samples worse.

    kl_warmup : float in [0, 1], default=0.0
        Share of the training in which that weight rises from 0: keeps numbers of the code in use
        that would be given up early.

    conditional : bool or "auto", default="auto"
        Whether the decoder is told the class of each row, so that the code need not hold it and
        `sample` can draw by class. "auto": if `fit` gets a y of classes. Set False where the code is
        to be classified, in a pipeline for instance.

    categorical_features : "from_dtype" or array-like of int, bool or str, default="from_dtype"
        Which columns hold categories: names, positions or a mask. "from_dtype": strings, objects,
        booleans and categories of a frame; no column of an array. Used with ``likelihood="mixed"``.

    n_importance_samples : int, default=64
        Draws per row in `score_samples` and `impute`: more make the bound of the log-density
        tighter, in proportionate time.

    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Units of each hidden layer of the encoder; the decoder has them backwards. ``()``: a linear
        model. With `image_shape`, the channels of each convolutional stage, which halves the sides.
        "auto": (256, 128), with `image_shape` (16, 32).

    activation : {"silu", "relu", "leaky_relu", "gelu", "tanh", "sigmoid", "identity"}, default="silu"
        Activation of the hidden layers. The weights start as He et al. or Glorot and Bengio ask for it.

    normalization : {"batch", "layer"} or None, default=None
        Normalisation after each hidden layer; on images before each activation, "layer" over groups of
        channels.

    dropout : float in [0, 1), default=0.0
        Share of hidden units (on images: channels) left out of each training step.

    image_shape : tuple of (channels, height, width), default=None
        Rows are images, flattened in this order. The network becomes convolutional, with a residual
        block in each stage.

    standardize : {"global", "column", False}, default="global"
        Centre the columns and divide them by one scale; or by a scale each; or neither. Not used for
        ``likelihood="bernoulli"``. Tables of unlike columns want "column".

    solver : {"adamw", "adam", "sgd"}, default="adamw"
        Optimiser; "sgd" has Nesterov momentum 0.9.

    alpha : float, default=1e-4
        Weight decay of matrices (not of biases): decoupled in "adamw", an L2 penalty in the others.

    batch_size : int or "auto", default="auto"
        Rows of a gradient step; "auto": ``min(256, n_samples)``.

    learning_rate : {"cosine", "constant"}, default="cosine"
        Whether the rate falls to 0 over the training like a cosine, or stays.

    learning_rate_init : float, default=1e-3
        The rate at its highest.

    warmup : float in [0, 1], default=0.0
        Share of the training in which the rate rises from 0.

    max_iter : int, default=200
        Epochs, that is passes over the data.

    max_grad_norm : float, default=None
        Gradients of a larger Euclidean norm are scaled down to it.

    ema_decay : float in [0, 1), default=None
        Predict with exponentially averaged weights of this decay a step. None: with the last weights.

    early_stopping : bool, default=False
        Hold rows out, stop when their loss no longer falls, and keep the weights that were best.

    validation_fraction : float in (0, 1), default=0.1
        Share of rows held out by `early_stopping`.

    n_iter_no_change : int, default=10
        Epochs without a validation loss lower by `tol` after which `early_stopping` stops.

    tol : float, default=1e-4
        What counts as lower.

    warm_start : bool, default=False
        Whether `fit` goes on from the last one: weights, optimiser, random state, scale of the data.

    precision : {"float32", "tf32", "bf16"}, default="float32"
        Arithmetic of the matrix products. "tf32": rounded inputs on GPUs that have it; "bf16": automatic
        mixed precision in training. Weights and results are float32 always.

    compile : bool, default=False
        Compile the loss by ``torch.compile``: pays for long trainings of large networks.

    cuda_graph : bool or "auto", default="auto"
        On a GPU, capture the training step as a graph and replay it, several times faster for small
        networks. "auto": where it pays and is possible; True: raise where it is impossible.

    device : str or torch.device, default="auto"
        Where to train and predict; "auto": the GPU if there is one.

    module : class, function or torch.nn.Module, default=None
        A network of your own: an instance (copied), or something that returns one when called with
        ``(n_features, n_components)``. It needs ``encode(X)``, a tuple
        (mean, log-variance) of shapes (n, n_components), and ``decode(Z)`` of shape (n, n_features);
        with classes Z has the one-hot class beside the code.

    callbacks : list of skorch callbacks, default=None
        Called with ``net_``; instances are cloned.

    checkpoint_dir : str or path, default=None
        Folder for checkpoints, at most one a second, each file written whole or not at all. A `fit` with
        the same data and parameters after a crash or Ctrl-C goes on there and, on the CPU, ends with the
        same bits. One file for each combination of data and parameters; delete them when you are done.

    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches and noise. torch's and numpy's global generators are left alone. Repeats
        are equal bit for bit on the CPU, for one number of threads.

    verbose : bool, default=False
        Print a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or None
        The classes that the decoder is told.

    net_ : skorch.NeuralNet
        The trained net: ``net_.module_`` is the torch module, ``net_.history`` skorch's history.

    history_ : dict of lists
        For each epoch ``loss``, ``validation_loss`` (with `early_stopping`), ``learning_rate`` and
        ``seconds``. Losses are in units of the standardised data.

    loss_curve_ : list of float
        Training loss of each epoch.

    best_loss_ : float
        Lowest validation loss with `early_stopping`, else lowest training loss.

    n_iter_ : int
        Epochs done.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    AutoEncoder : A code without a density.
    sklearn.mixture.GaussianMixture : A density for few features.

    Notes
    -----
    `score_samples` uses the same draws for every row and call, so that the score of a row does not
    depend on the rows beside it.

    `sample` draws codes from the prior, so rows follow the density that `score_samples` tells. Where few
    rows are learnt by heart their codes lie apart, and samples from between them are blends, with less
    variance than the data (17 % less on digits, by default): take a larger `beta`, fewer
    `n_components`, or draw the codes by a `DiffusionModel` with this model as its `encoder`.

    References
    ----------
    .. [1] Kingma and Welling (2014), Auto-encoding variational Bayes, ICLR.
    .. [2] Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders, ICLR: the bound.
    .. [3] Rybkin, Daniilidis and Levine (2021), Simple and effective VAE training with calibrated
       decoders, ICML: the variance.
    .. [4] Mattei and Frellsen (2019), MIWAE, ICML: imputation.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import VAE
    >>> X, y = load_digits(return_X_y=True)
    >>> vae = VAE(n_components=8, max_iter=20, random_state=0).fit(X, y)
    >>> vae.sample(3, y=7).shape
    (3, 64)
    >>> vae.transform(X).shape
    (1797, 8)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "likelihood": [StrOptions({"gaussian", "bernoulli", "mixed"})],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "conditional": [StrOptions({"auto"}), "boolean"],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like"],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        **NETWORK_CONSTRAINTS,
        "image_shape": ["array-like", None],
        "standardize": STANDARDIZE_CONSTRAINT,
        **TRAINING_CONSTRAINTS,
    }

    def __init__(
        self,
        n_components=2,
        *,
        likelihood="gaussian",
        beta=1.0,
        kl_warmup=0.0,
        conditional="auto",
        categorical_features="from_dtype",
        n_importance_samples=64,
        hidden_layer_sizes="auto",
        activation="silu",
        normalization=None,
        dropout=0.0,
        image_shape=None,
        standardize="global",
        solver="adamw",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=1e-3,
        warmup=0.0,
        max_iter=200,
        max_grad_norm=None,
        ema_decay=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
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
        self.n_components = n_components
        self.likelihood = likelihood
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.conditional = conditional
        self.categorical_features = categorical_features
        self.n_importance_samples = n_importance_samples
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.image_shape = image_shape
        self.standardize = standardize
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

    # --- training ---

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train on `X`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Training data; missing entries only with ``likelihood="mixed"``.

        y : array-like of shape (n_samples,), default=None
            Classes, see `conditional`.

        Returns
        -------
        self : object
        """
        return self._train_on(X, y, partial=False)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, classes=None):
        """Train for one pass over `X`, from where the last call ended, at a constant rate.

        The first call also sets scales, levels of categories and classes.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,), default=None
            Classes, see `conditional`.

        classes : array-like, default=None
            All classes that later calls may bring; those of `y` by default.

        Returns
        -------
        self : object
        """
        return self._train_on(X, y, partial=True, classes=classes)

    def _train_on(self, X, y, *, partial, classes=None):
        goes_on = (partial or self.warm_start) and hasattr(self, "net_")
        X = self._check_rows(X, reset=not goes_on)
        labels = self._labels(X, y, classes, goes_on)
        if not goes_on:
            self._encoder = self._new_encoder().fit(X)
        self._fit_net(self._encode(X), labels, partial=partial)
        return self

    def _new_encoder(self):
        if self.likelihood == "mixed":
            return TableEncoder(self.standardize, self.categorical_features)
        return Standardizer(False if self.likelihood == "bernoulli" else self.standardize)

    def _check_rows(self, X, *, reset, missing=False):
        """Return X checked: a frame as it is for tables, else a float array."""
        if self.likelihood == "mixed" and is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=reset)
            if 0 in X.shape:
                raise ValueError(
                    f"Found array with shape {tuple(X.shape)}, while a minimum of 1 sample and 1 "
                    "feature is required. Pass a frame with rows."
                )
            return X
        finite = "allow-nan" if missing or self.likelihood == "mixed" else True
        X = self._validate_rows(X, reset=reset, ensure_all_finite=finite)
        if self.likelihood == "bernoulli":
            _check_unit_interval(X)
        return X

    def _encode(self, X):
        """Return float32 rows; missing numbers of a table are 0, their mean."""
        return np.nan_to_num(self._encoder.transform(X).astype(np.float32, copy=False))

    def _labels(self, X, y, classes, goes_on):
        """Return class numbers, or None; learn `classes_` and their shares on the first fit."""
        if not goes_on:
            self.classes_ = self._log_prior = None
            if wants_classes(y, self.conditional):
                y = column_or_1d(y, warn=True)
                check_consistent_length(X, y)
                self.classes_, self._log_prior = learn_classes(y, classes)
        if self.classes_ is None:
            return None
        if y is None:
            raise ValueError(
                "`y` is None, but the model was fitted with classes. Allowed: the class of each row. "
                "Pass `y`."
            )
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        return class_numbers(y, self.classes_)

    def _make_module(self, n_in):
        torch = import_torch()
        from . import _vae_net as nets

        observation = self._observation(n_in)
        log_prior = None
        if self._log_prior is not None:
            log_prior = torch.tensor(self._log_prior, dtype=torch.float32)
        n_classes = 0 if log_prior is None else len(log_prior)
        loss = {"beta": self.beta, "kl_warmup": self.kl_warmup, "log_prior": log_prior}
        if self.module is not None:
            network = self._given_module(n_in, self.n_components)
            require_methods(network, ("encode", "decode"))
            return nets.GivenVAENet(network, observation, self.n_components, **loss)
        encoder, decoder = nets.dense_or_conv_vae(
            n_in,
            observation.n_outputs,
            self.n_components,
            n_classes,
            self._hidden_sizes(),
            self.activation,
            check_image_shape(self.image_shape, n_in),
            {"normalization": self.normalization, "dropout": self.dropout},
        )
        return nets.VAENet(encoder, decoder, observation, self.n_components, **loss)

    def _observation(self, n_in):
        """Return the torch module of p(x | output)."""
        from . import _vae_net as nets

        if self.likelihood == "gaussian":
            return nets.GaussianObservation(n_in)
        if self.likelihood == "bernoulli":
            return nets.BernoulliObservation(n_in)
        table = self._encoder
        if not len(table.kept) and not table.categorical:
            return nets.MixedObservation(n_in, ([], [], []), [])  # a constant: nothing to tell
        gaps = (table.gappy, table.gap_mean, table.gap_scale)
        codes = [column["codes"] for column in table.categorical]
        return nets.MixedObservation(len(table.kept), gaps, codes)

    def _check_module(self, module, rows, context):
        if self.module is None:
            return
        torch = import_torch()
        module.eval()
        with torch.no_grad():
            X = torch.from_numpy(rows[:2])
            code = module.encoder(X)
            Z = torch.zeros(len(X), self.n_components)
            y = None if context is None else torch.from_numpy(context[:2])
            shapes = {"encode": code.shape, "decode": module.output(Z, y).shape}
        expected = {"encode": (len(X), 2 * self.n_components), "decode": tuple(X.shape)}
        for name, shape in shapes.items():
            if tuple(shape) != expected[name]:
                raise ValueError(
                    f"`module`: {name} returned shape {tuple(shape)} for {len(X)} rows. Allowed: "
                    f"{expected[name]} (encode: mean and log-variance side by side, each "
                    "(n, n_components)). Change its last layer or `n_components`."
                )

    def _after_training(self, rows, context):
        """Set the Gaussian variance to its best value, the mean squared error over all rows."""
        if self.likelihood == "bernoulli":
            return
        noise = self._noise(_VARIANCE_DRAWS)
        errors, counts = self._apply("squared_errors", rows, context, noise=noise)
        mean = errors.sum(dtype=np.float64) / max(counts.sum(dtype=np.float64), 1.0)
        variance = max(float(mean), 1e-6)
        for module in self.net_._modules_with_weights():
            module.observation.variance.fill_(variance)

    def _noise(self, n_draws):
        """Return standard normal draws (n_draws, n_components), the same in every call.

        Scrambled Sobol points: each is distributed as it should be, so the bound stays a bound, and
        together they are even, because an error that all rows share would not average out.
        """
        torch = import_torch()
        engine = torch.quasirandom.SobolEngine(
            self._n_features_out, scramble=True, seed=_NOISE_SEED
        )
        uniform = engine.draw(n_draws, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
        return torch.special.ndtri(uniform).float().to(self.net_.device)

    # --- inference ---

    def _rows(self, X):
        check_is_fitted(self)
        return self._encode(self._check_rows(X, reset=False))

    def transform(self, X):
        """Return the mean of the posterior q(z | x) of each row: its code.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : float32 ndarray of shape (n_samples, n_components)
        """
        rows = self._rows(X)
        return self._apply("encode", rows)

    def _restored(self, rows):
        """Return encoded rows as they were given: a frame, or a float32 array."""
        table = self._encoder.inverse_transform(rows)
        return table.astype(np.float32, copy=False) if isinstance(table, np.ndarray) else table

    def inverse_transform(self, X, y=None):
        """Return the mean row that the decoder makes of each code.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        y : class or array-like of shape (n_samples,), default=None
            Class of each row; None averages over the classes' shares.

        Returns
        -------
        X_original : ndarray or frame of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=np.float32, input_name="X")
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but the code has {self._n_features_out}. Allowed: what "
                "`transform` returned. Pass codes."
            )
        labels = class_numbers_of_rows(y, self.classes_, len(Z))
        return self._restored(self._apply("decode", Z, labels))

    def predict(self, X):
        """Return the reconstruction of each row at the mean of its posterior.

        By the class that explains the row best, where the model knows classes.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_restored : ndarray or frame of shape (n_samples, n_features)
        """
        rows = self._rows(X)
        return self._restored(self._apply("forward", rows))

    def score_samples(self, X):
        """Return a lower bound of the log-density of each row, in nats and units of `X`.

        The importance-weighted bound; it rises with `n_importance_samples` towards log p(x).
        Classes are summed out. Categories and missing entries count with their log-probability.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : float32 ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        encoded = self._encoder.transform(X)
        rows = np.nan_to_num(encoded.astype(np.float32, copy=False))
        bound = self._bound(rows)
        if self.likelihood != "mixed":
            return (bound + self._encoder.log_jacobian).astype(np.float32)
        kept = self._encoder.kept
        seen = ~np.isnan(encoded[:, : len(kept)])  # missing numbers have no density
        return (bound - seen @ np.log(self._encoder.scale[kept])).astype(np.float32)

    def _bound(self, rows):
        """Return the bound of each row in float64, where sums of many features do not round off.

        The mean over groups of draws where few draws make a group: all rows share the draws, so the
        luck of one would not average out over rows.
        """
        n_draws = self.n_importance_samples
        n_groups = max(1, _MIN_DRAWS // n_draws)
        noise = self._noise(n_draws * n_groups).double()
        return self._apply("bound", rows, double=True, noise=noise, n_groups=n_groups)

    def score(self, X, y=None):
        """Return the mean of `score_samples`: what a grid search maximises.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            Nats a row.
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(self, n_samples=1, y=None, random_state=None):
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default=1
            How many.

        y : class or array-like of shape (n_samples,), default=None
            Class to draw, one for all or one for each; None draws classes by their shares.

        random_state : int, RandomState instance or None, default=None
            None: the estimator's `random_state`.

        Returns
        -------
        X : ndarray or frame of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        torch = import_torch()
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise bad_value(
                "n_samples", n_samples, "is no number of rows", "1 or more", "Ask for a row."
            )
        random = check_random_state(self.random_state if random_state is None else random_state)
        generator = torch.Generator().manual_seed(int(random.randint(np.iinfo(np.int32).max)))
        labels = class_numbers_of_rows(y, self.classes_, n_samples)
        if labels is None and self.classes_ is not None:
            shares = torch.tensor(self._log_prior).exp()
            labels = torch.multinomial(shares, n_samples, True, generator=generator).numpy()
        Z = torch.randn(n_samples, self._n_features_out, generator=generator).numpy()
        rows = self._apply("draw", Z, labels, generator=generator)
        return self._restored(rows)

    def impute(self, X, n_steps=10):
        """Return `X` with each missing entry replaced by its mean given the rest of the row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows; NaN (in a frame, any missing value) marks what to fill.

        n_steps : int, default=10
            How often the code is inferred anew from the filled row.

        Returns
        -------
        X_filled : ndarray or frame of shape (n_samples, n_features)
            Observed entries are left as they are (arrays: as float32). A category is the likeliest.
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False, missing=True)
        noise = self._noise(self.n_importance_samples)
        options = {"noise": noise, "n_steps": n_steps}
        if self.likelihood == "mixed":
            encoded = self._encoder.transform(X, to_impute=True)
        else:
            encoded = self._encoder.transform(X)
        missing = np.isnan(encoded)
        rows = np.nan_to_num(encoded.astype(np.float32, copy=False))
        filled = self._apply("impute", rows, (~missing).astype(np.float32), **options)
        if self.likelihood == "mixed":
            filled = np.where(missing, filled, encoded)
            return self._encoder.inverse_transform(
                filled,
                missing=False,
                given=self._encoder.observed(X),
                index=getattr(X, "index", None),
            )
        gaps = np.isnan(X)
        return np.where(gaps, self._encoder.inverse_transform(filled), X.astype(np.float32))

    @property
    def _n_features_out(self):
        return self._built_with["params"]["n_components"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = self.likelihood == "mixed"
        return tags


def _check_unit_interval(X):
    if np.nanmin(X, initial=0) < 0 or np.nanmax(X, initial=1) > 1:
        raise bad_value(
            "likelihood",
            "bernoulli",
            f"needs X in [0, 1], and X lies in [{X.min():.4g}, {X.max():.4g}]",
            "binary or scaled features",
            "Scale X, or use 'gaussian'.",
        )
