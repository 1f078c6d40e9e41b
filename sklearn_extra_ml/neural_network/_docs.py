"""What the docstrings of the deep estimators have in common, written once."""

_NETWORK = """
hidden_layer_sizes : "auto", int or sequence of int, default="auto"
    Units of each hidden layer of the encoder; the decoder has them backwards. ``()``: a linear
    model. With `image_shape`, the channels of each convolutional stage, which halves the sides.
    "auto": (256, 128), with `image_shape` (16, 32).

activation : {"silu", "relu", "leaky_relu", "gelu", "tanh", "sigmoid", "identity"}, default="silu"
    Activation of the hidden layers; the weights start as He et al. or Glorot and Bengio ask for it.

normalization : {"batch", "layer"} or None, default=None
    Normalisation after each hidden layer; on images before each activation, "layer" over groups of
    channels.

dropout : float in [0, 1), default=0.0
    Share of hidden units (on images: channels) left out of each training step.

image_shape : tuple of (channels, height, width), default=None
    Rows are images, flattened in this order: the network becomes convolutional, with a residual
    block in each stage.
"""

_TRAINING = """
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
    Predict with exponentially averaged weights of this decay a step.

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
    ``(n_features, n_components)``. {module_contract}

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
"""

_ATTRIBUTES = """
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
"""

CODE_CONTRACT = (
    "It needs ``encode(X)`` of shape\n    (n, n_components), and ``decode(Z)`` of shape "
    "(n, n_features)."
)
VAE_CONTRACT = (
    "It needs ``encode(X)``, a tuple\n    (mean, log-variance) of shapes (n, n_components), and "
    "``decode(Z)`` of shape (n, n_features);\n    with classes Z has the one-hot class beside the code."
)


def _indented(text):
    lines = text.strip("\n").splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines)


def shared_docs(contract):
    """Class decorator: put the common parts in the place of their names in the docstring."""

    def fill(cls):
        text = cls.__doc__
        if text is not None:  # python -OO
            text = text.replace("    %network%", _indented(_NETWORK))
            training = _TRAINING.replace("{module_contract}", contract)
            text = text.replace("    %training%", _indented(training))
            cls.__doc__ = text.replace("    %attributes%", _indented(_ATTRIBUTES))
        return cls

    return fill
