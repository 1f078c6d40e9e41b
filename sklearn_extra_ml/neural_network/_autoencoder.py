"""Autoencoders: a code of few numbers for each row, and the rows back from the code."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_array, check_is_fitted

from .._core._validation import Interval, StrOptions, bad_value, fit_context
from .._torch._scaling import Standardizer
from .._torch._storage import storable
from ._base import NETWORK_CONSTRAINTS, STANDARDIZE_CONSTRAINT, TRAINING_CONSTRAINTS, BaseDeep
from ._network_checks import check_image_shape, probe_shapes, require_methods


class BaseAutoEncoder(BaseDeep):
    """What AutoEncoder and AutoEncoderDetector share: the network, its training, its errors."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        **NETWORK_CONSTRAINTS,
        "image_shape": ["array-like", None],
        "noise": [StrOptions({"gaussian", "masking"}), None],
        "noise_scale": [Interval(Real, 0, None, closed="left")],
        "tied_weights": ["boolean"],
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "standardize": STANDARDIZE_CONSTRAINT,
        **TRAINING_CONSTRAINTS,
    }

    _double_errors = False  # whether the errors of rows are computed in float64

    def _train_on(self, X, *, partial=False):
        """Standardise and train; return the standardised rows."""
        goes_on = (partial or self.warm_start) and hasattr(self, "net_")
        X = self._validate_rows(X, reset=not goes_on)
        if self.noise == "masking" and self.noise_scale > 1:
            raise bad_value(
                "noise_scale",
                self.noise_scale,
                'is no share of entries, as noise="masking" asks for',
                "0 to 1",
                "Lower it.",
            )
        if not goes_on:
            self._standardizer = Standardizer(self.standardize).fit(X)
        rows = self._standardizer.transform(X)
        self._fit_net(self._training_rows(rows), partial=partial)
        return rows

    def _training_rows(self, rows):
        """Return the rows as the module learns from them."""
        return rows

    def _make_module(self, n_in):
        from .._torch._blocks import TiedDecoder
        from ._autoencoder_net import AutoEncoderNet, GivenAutoEncoderNet, dense_or_conv

        loss = {"noise": self.noise, "noise_scale": self.noise_scale, "sparsity": self.sparsity}
        if self.module is not None:
            network = self._given_module(n_in, self.n_components)
            require_methods(network, ("encode", "decode"))
            return GivenAutoEncoderNet(network, **loss)
        options = {"normalization": self.normalization, "dropout": self.dropout}
        image_shape = check_image_shape(self.image_shape, n_in)
        encoder, decoder = dense_or_conv(
            n_in, self.n_components, self._hidden_sizes(), self.activation, image_shape, options
        )
        if self.tied_weights:
            if image_shape is not None:
                raise bad_value(
                    "tied_weights", True, "is for dense networks", "False with `image_shape`", ""
                )
            decoder = TiedDecoder(encoder, self.activation)
        return AutoEncoderNet(encoder, decoder, **loss)

    def _check_module(self, module, rows, context):
        probe_shapes(module, rows, {"encode": self.n_components})

    def _row_errors(self, X):
        """Mean squared error of each row."""
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        return self._errors_of(self._standardizer.transform(X))

    def _errors_of(self, rows):
        errors = self._apply("row_errors", rows, double=self._double_errors)
        if np.unique(self._standardizer.scale).size == 1:  # the mean squared error in X's units
            return errors * errors.dtype.type(self._standardizer.scale[0] ** 2)
        return errors


@storable
class AutoEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseAutoEncoder):
    """Autoencoder: learns a code of few numbers for each row, from which the row can be restored.

    Good for non-linear dimension reduction (`transform`), denoising (`noise`, `predict`), and as
    features for another model. With ``hidden_layer_sizes=()`` it spans the space of PCA. For
    anomalies see `AutoEncoderDetector`, for a density `VAE`.

    Not for few rows, nor where PCA is good enough: a training costs O(max_iter * n_samples * weights).

    Parameters
    ----------
    n_components : int, default=2
        Numbers in the code.

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

    noise : {"gaussian", "masking"} or None, default=None
        Train to restore rows from corrupted ones: Gaussian noise added, or entries set to their
        mean.

    noise_scale : float, default=0.1
        Standard deviation of the noise in units of the standardised data, or share of the entries.

    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights transposed (dense networks).

    sparsity : float, default=0.0
        Weight of the mean absolute code in the loss.

    standardize : {"global", "column", False}, default="global"
        Centre the columns and divide them by one scale; or by a scale each, so that all weigh alike;
        or neither.

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
        ``(n_features, n_components)``. It needs ``encode(X)`` of shape
        (n, n_components), and ``decode(Z)`` of shape (n, n_features).

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
    AutoEncoderDetector : Outliers by reconstruction error.
    VAE : A density over rows, with a code.
    sklearn.decomposition.PCA : The linear case.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks,
       Science 313.
    .. [2] Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features
       with denoising autoencoders, ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import AutoEncoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = AutoEncoder(n_components=10, max_iter=20, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 10)
    >>> model.predict(X).shape
    (1797, 64)
    """

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes="auto",
        activation="silu",
        normalization=None,
        dropout=0.0,
        image_shape=None,
        noise=None,
        noise_scale=0.1,
        tied_weights=False,
        sparsity=0.0,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.image_shape = image_shape
        self.noise = noise
        self.noise_scale = noise_scale
        self.tied_weights = tied_weights
        self.sparsity = sparsity
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

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train on `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, finite.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
        """
        self._train_on(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train for one pass over `X`, from where the last call ended, at a constant rate.

        The first call also sets the scale that `standardize` asks for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, finite.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
        """
        self._train_on(X, partial=True)
        return self

    def transform(self, X):
        """Return the code of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : float32 ndarray of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        return self._apply("encode", self._standardizer.transform(X))

    def inverse_transform(self, X):
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        X_original : float32 ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=np.float32, input_name="X")
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but the code has {self._n_features_out}. Allowed: what "
                "`transform` returned. Pass codes."
            )
        return self._standardizer.inverse_transform(self._apply("decode", Z))

    def predict(self, X):
        """Return each row restored from its code: denoised, if trained with `noise`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_restored : float32 ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        rows = self._standardizer.transform(X)
        return self._standardizer.inverse_transform(self._apply("forward", rows))

    def score_samples(self, X):
        """Return minus the mean squared error of each row's reconstruction: higher is more usual.

        In squared units of X; with ``standardize="column"``, of the standardised columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : float32 ndarray of shape (n_samples,)
        """
        return -self._row_errors(X)

    def score(self, X, y=None):
        """Return the mean of `score_samples`: what a grid search maximises.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    @property
    def _n_features_out(self):
        return self._built_with["params"]["n_components"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
