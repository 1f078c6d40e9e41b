"""Outliers as rows that an autoencoder cannot restore."""

from numbers import Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.callback import with_callbacks

from .._core._validation import Interval, fit_context
from ._autoencoder import BaseAutoEncoder


class AutoEncoderDetector(OutlierMixin, BaseAutoEncoder):
    """Outlier detection by the reconstruction error of an autoencoder.

    A code of few numbers must spend them on what most rows share; rows that follow other rules come
    back wrong. Higher scores are more normal and `predict` gives 1 and -1, as everywhere in
    scikit-learn (PyOD has it the other way round: 0 and 1, higher is more abnormal).

    A network that is trained for long restores the very rows it has learnt from, outliers among them,
    better than any new row. So two networks are trained, each on one half of the rows, and a row's score
    is the larger of its two errors: every training row is judged by a network that has not seen it,
    outliers in the training data stand out, and `offset_` holds for new rows too. Each takes half
    of every batch, so both together do the arithmetic of one network on all rows; they are ``first`` and
    ``second`` of ``net_.module_``.

    Good for many correlated features. Rows far away in a direction that the code keeps are restored
    well and stay unseen: for few features `IsolationForest` or a density is better.

    Parameters
    ----------
    n_components : int, default=2
        Numbers in the code. With too many, outliers are restored too.

    contamination : float in (0, 0.5], default=0.1
        Share of the training rows below `offset_`.

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
        Centre the columns and divide them by one scale; or by a scale each, so that an error counts
        in units of its column's spread; or neither.

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
    offset_ : float
        ``decision_function = score_samples - offset_``: the quantile `contamination` of the training
        rows' scores.

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
    AutoEncoder : The same network as a transformer.
    sklearn.ensemble.IsolationForest : Outliers by random splits.

    References
    ----------
    .. [1] Hawkins, He, Williams and Baxter (2002), Outlier detection using replicator neural
       networks, DaWaK.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import AutoEncoderDetector
    >>> X, _ = load_digits(return_X_y=True)
    >>> detector = AutoEncoderDetector(n_components=8, max_iter=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    180
    """

    _parameter_constraints: dict = {
        **BaseAutoEncoder._parameter_constraints,
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
    }

    def __init__(
        self,
        n_components=2,
        *,
        contamination=0.1,
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
        self.contamination = contamination
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

    _double_errors = True  # scikit-learn's detectors return float64

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train on `X` and set `offset_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, finite; outliers may be among them.

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
        """Train for one pass over `X`, from where the last call ended; `offset_` is that of `X`.

        The halves depend on the number of rows only: rows that are passed again in the same order go
        to the same network.

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

    def _train_on(self, X, *, partial=False):
        rows = super()._train_on(X, partial=partial)
        self.offset_ = float(np.percentile(-self._errors_of(rows), 100.0 * self.contamination))
        return rows

    def _training_rows(self, rows):
        """Return pairs of rows, one for each network side by side; an odd row goes to both."""
        order = np.random.default_rng(len(rows)).permutation(len(rows))
        n_pairs = (len(rows) + 1) // 2
        return np.hstack([rows[order[:n_pairs]], rows[order[-n_pairs:]]])

    def _batch_size(self, n_pairs):
        return max(1, super()._batch_size(2 * n_pairs) // 2)

    def _make_module(self, n_in):
        from ._autoencoder_net import AutoEncoderPair

        make = super()._make_module
        return AutoEncoderPair(make(n_in // 2), make(n_in // 2))

    def _check_module(self, module, rows, context):
        n_features = rows.shape[1] // 2
        super()._check_module(module.first, rows[:, :n_features], context)

    def score_samples(self, X):
        """Return minus the larger of the mean squared errors of each row's two reconstructions.

        Higher is more normal. In squared units of X; with ``standardize="column"``, of the
        standardised columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
        """
        return -self._row_errors(X)

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return 1 for each normal row and -1 for each outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : int ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)
