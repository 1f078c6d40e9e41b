"""Whether `image_shape` and a network of the user's fit the data and the rest of the model."""

import numpy as np

from .._core._validation import bad_value


def require_methods(network, names):
    """Raise `TypeError` unless a user's network has these methods."""
    missing = [name for name in names if not callable(getattr(network, name, None))]
    if missing:
        raise TypeError(
            f"`module` ({type(network).__name__}) has no method {missing[0]!r}. Allowed: a "
            f"torch.nn.Module with {' and '.join(names)}. Add it."
        )


def check_image_shape(image_shape, n_in, what="n_features"):
    """Return `image_shape` as a tuple of (channels, height, width) that fits the features."""
    if image_shape is None:
        return None
    shape = tuple(int(side) for side in image_shape)
    if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape)) != n_in:
        raise bad_value(
            "image_shape",
            image_shape,
            f"does not fit {what}={n_in}",
            f"(channels, height, width) with a product of {n_in}",
            "Flatten each image to one row in that order.",
        )
    return shape


def probe_shapes(module, rows, widths):
    """Raise `ValueError` if a method's output of two rows has not the width it must have."""
    import torch

    training = module.training
    module.eval()
    with torch.no_grad():
        X = torch.from_numpy(rows[:2])
        outputs = {name: getattr(module, name)(X) for name in widths}
        outputs["forward"] = module(X)
    module.train(training)
    for name, output in outputs.items():
        expected = (len(X), widths.get(name, rows.shape[1]))
        if tuple(getattr(output, "shape", ())) != expected:
            raise ValueError(
                f"`module`: {name} returned shape {tuple(getattr(output, 'shape', ()))} for "
                f"{len(X)} rows. Allowed: {expected}, that is (n, n_components) for a code and "
                "(n, n_features) for a reconstruction. Change its last layer or `n_components`."
            )
