"""A classifier by Bayes' rule over what a class-conditional diffusion model cannot denoise."""

from numbers import Integral

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.utils import assert_all_finite, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._core._validation import Interval, fit_context
from ._context import ContextEncoder
from ._diffusion_base import DIFFUSION_CONSTRAINTS, BaseDiffusion

_SIGMA_RANGE = (0.05, 20.0)  # below, all classes denoise alike; above, none of the row is left


class DiffusionClassifier(ClassifierMixin, BaseDiffusion):
    """Classifier that asks which class explains best how a row must be denoised.

    One class-conditional diffusion model is trained. A row gets noise of several strengths, the network
    takes it out once for each class, and Bayes' rule turns the errors into probabilities: the integral
    of the error over noise levels is the log-likelihood of the class up to a constant. The noise is the
    same for every class and row, so most of it cancels.

    It also draws rows of each class. Cost: `fit` as `DiffusionModel`; `predict` takes ``n_error_levels *
    n_error_draws * n_classes`` evaluations of the network a row. For accuracy alone a discriminative
    classifier is faster.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Width inside each residual block; the stream between blocks has the first of them. (256, 256)
        is better for 30 columns and more. With `image_shape`: the channels of each level of the U-Net,
        the finest first, each with half of the sides of the one before. "auto": (128, 128, 128), for
        images (32, 64).

    activation : {"silu", "relu", "leaky_relu", "gelu", "tanh", "sigmoid", "identity"}, default="silu"
        Activation of the hidden layers.

    dropout : float in [0, 1), default=0.2
        Share of hidden units (on images: channels) left out of each training step. Without it the model
        is too sure of classes of few rows, and repeats rows more often.

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

    n_error_levels : int, default=16
        Noise levels at which rows are denoised, evenly spaced in log between 0.05 and 20.

    n_error_draws : int, default=4
        Draws of noise at each level, in pairs of opposite sign.

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
        Share of the rows that are trained without their context: guidance works from them.

    noise_schedule : {"linear", "cosine"}, default="linear"
        Variances of the DDPM chain.

    n_noise_levels : int, default=1000
        Levels of the DDPM chain.

    sigma_min : float in (0, 1), default=0.002
        Least standard deviation of the noise, in units of a column's.

    sigma_max : float above 1, default=80.0
        Largest standard deviation of the noise. It must drown the data: 20 is enough for most tables.

    standardize : {"auto", "column", "global", "quantile"} or False, default="auto"
        How numbers are scaled: each column; centred columns, divided by one scale; each column's
        quantiles to a normal distribution (heavy tails); or not at all, when they have unit variance.
        "auto": "column", but "global" for images, whose pixels near the edge would become mostly noise
        if each had a scale of its own. By quantiles, a value that a tenth of the rows hold is drawn
        exactly, as often as it occurs, but counts for less where it is rare: on digits, accuracy
        falls from 0.979 to 0.971.

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
        Number of epochs. "auto": half as many as `DiffusionModel`, whose samples still gain where
        probabilities of classes already grow too sure (at least 100 gradient steps, 1,200 for 160 to
        500 rows, then growing with n_samples ** 0.4); with `image_shape` the same.

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
        Class labels.

    class_count_ : ndarray of shape (n_classes,)
        Training rows of each class; the prior is proportional to it.

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
    DiffusionModel : Density, samples and missing values.

    References
    ----------
    .. [1] Li, Prabhudesai, Duggal, Brown and Pathak (2023), Your Diffusion Model is Secretly a Zero-Shot
       Classifier.
    .. [2] Kong, Brekelmans and Ver Steeg (2023), Information-Theoretic Diffusion: the error as a
       likelihood.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.neural_network import DiffusionClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = DiffusionClassifier(max_iter=500, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.9
    True
    >>> classifier.sample(2, y=1).shape
    (2, 4)
    """

    _parameter_constraints: dict = {
        **DIFFUSION_CONSTRAINTS,
        "n_error_levels": [Interval(Integral, 1, None, closed="left")],
        "n_error_draws": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        activation="silu",
        dropout=0.2,
        image_shape=None,
        attention=False,
        encoder=None,
        parameterization="edm",
        n_error_levels=16,
        n_error_draws=4,
        sampler="dpmpp_2m",
        n_sampling_steps=20,
        guidance_scale=1.0,
        dropout_context=0.1,
        noise_schedule="linear",
        n_noise_levels=1000,
        sigma_min=0.002,
        sigma_max=80.0,
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
        self.n_error_levels = n_error_levels
        self.n_error_draws = n_error_draws
        self.sampler = sampler
        self.n_sampling_steps = n_sampling_steps
        self.guidance_scale = guidance_scale
        self.dropout_context = dropout_context
        self.noise_schedule = noise_schedule
        self.n_noise_levels = n_noise_levels
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
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
    def fit(self, X, y):
        """Train the class-conditional network.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows. Entries may be missing (NaN, null); infinity is refused.

        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            For bad input, and when there is only one class.
        """
        return self._train(X, y)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None):
        """Train on: one pass over the rows, at a constant learning rate.

        Parameters
        ----------
        X, y
            As in `fit`.

        classes : array-like of shape (n_classes,), default=None
            All classes, needed in the first call unless `y` holds them all.

        Returns
        -------
        self : object
            The classifier.
        """
        return self._train(X, y, one_pass=True, classes=classes)

    def _train(self, X, y, one_pass=False, classes=None):
        goes_on = (one_pass or self.warm_start) and hasattr(self, "net_")
        self._check_levels()
        X, y = self._check_table_and_labels(X, y, reset=not goes_on)
        if not goes_on:
            self._fit_encoder(X, y)
            self._context = ContextEncoder().fit_classes(y if classes is None else classes)
            self.classes_ = self._context.classes
        context = self._contexts(y, len(y))
        before = self.class_count_ if one_pass and goes_on else 0
        self.class_count_ = before + context.sum(axis=0, dtype=np.float64)
        self._context.prior = self.class_count_ / self.class_count_.sum()
        return self._fit_net(self._encode(X), context, partial=one_pass)

    def _scaling(self):
        """Leave piled-up columns their scale: their rare values tell classes apart."""
        scaling = super()._scaling()
        return "column" if scaling == "auto" else scaling

    def _n_steps(self, n_rows):
        n_steps = super()._n_steps(n_rows)
        return n_steps if self.image_shape is not None else max(100, n_steps // 2)

    def _check_table_and_labels(self, X, y, *, reset):
        X = self._check_table(X, reset=reset)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is "
                "None."
            )
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        check_classification_targets(y)
        return X, y

    def _joint_log_likelihood(self, X):
        """Return log p(x | class) + log p(class) up to a constant of the row, (n, n_classes)."""
        check_is_fitted(self)
        rows = self._encode(self._check_table(X, reset=False))
        low, high = self._range()
        low, high = max(low, _SIGMA_RANGE[0]), min(high, _SIGMA_RANGE[1])
        sigmas = np.geomspace(low, high, self.n_error_levels)
        step = np.log(high / low) / max(self.n_error_levels - 1, 1)
        rng = np.random.default_rng(0)
        noises = rng.standard_normal(
            (self.n_error_levels, -(-self.n_error_draws // 2), rows.shape[1])
        )
        noises = np.concatenate((noises, -noises), axis=1)[:, : self.n_error_draws]
        errors = self._apply(
            "class_errors", rows, sigmas=sigmas.tolist(), noises=noises.astype(np.float32)
        )
        with np.errstate(divide="ignore"):
            return np.log(self._context.prior) - step * errors

    def predict_log_proba(self, X):
        """Logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes), float32
            In the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float32
            In the order of `classes_`.
        """
        return softmax(self._joint_log_likelihood(X), axis=1).astype(np.float32)

    def predict(self, X):
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        check_is_fitted(self)
        return self.classes_[self._joint_log_likelihood(X).argmax(axis=1)]

    def sample(self, n_samples=1, y=None, *, random_state=None, n_steps=None):
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        y : label or array-like of shape (n_samples,), default=None
            Class of the rows to draw; one for all, or one each. None: as frequent as in training.

        random_state : int, RandomState instance or None, default=None
            None: that of the classifier.

        n_steps : int, default=None
            Steps of the sampler. None: `n_sampling_steps`.

        Returns
        -------
        X : array or frame of shape (n_samples, n_features)
            A frame like the fitted one, or a float32 array.
        """
        check_is_fitted(self)
        self._check_n(n_samples, n_steps)
        _, Z = self._sample_rows(n_samples, y, random_state, n_steps, self.sampler)
        return self._decode(Z)
