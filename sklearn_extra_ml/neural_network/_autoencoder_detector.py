"""Outliers as rows that an autoencoder cannot restore."""

from numbers import Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.callback import with_callbacks

from .._core._validation import Interval, fit_context
from ._autoencoder import BaseAutoEncoder
from ._docs import CODE_CONTRACT, shared_docs


@shared_docs(CODE_CONTRACT)
class AutoEncoderDetector(OutlierMixin, BaseAutoEncoder):
    """Outlier detection by the reconstruction error of an autoencoder.

    A code of few numbers must spend them on what most rows share; rows that follow other rules come
    back wrong. Higher scores are more normal and `predict` gives 1 and -1, as everywhere in
    scikit-learn (PyOD has it the other way round: 0 and 1, higher is more abnormal).

    Good for many correlated features. Rows far away in a direction that the code keeps are restored
    well and stay unseen: for few features `IsolationForest` or a density is better.

    Parameters
    ----------
    n_components : int, default=2
        Numbers in the code; with too many, outliers are restored too.

    contamination : float in (0, 0.5], default=0.1
        Share of the training rows below `offset_`.

    %network%

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

    %training%

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``: the quantile `contamination` of the training
        rows' scores.

    %attributes%

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
            Training data, finite; outliers may be among them. A network that is trained for long
            learns those of a few hundred rows too: take ``dropout=0.2`` or a tenth of `max_iter`.

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

    def _after_training(self, rows, context):
        scores = -self._errors_of(rows)
        self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))

    def score_samples(self, X):
        """Return minus the mean squared error of each row's reconstruction: higher is more normal.

        In squared units of X; with ``standardize="column"``, of the standardised columns.

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
