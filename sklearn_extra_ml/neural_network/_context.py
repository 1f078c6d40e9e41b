"""What a diffusion model is conditioned on: classes or features of each row."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from .._core._validation import bad_value
from .._torch._storage import storable

_POOL = 10_000  # contexts of the training rows kept for samples that name none


@storable
class ContextEncoder:
    """What a model is conditioned on, as numbers: classes as indicators, features standardised.

    `classes` is None for features.
    """

    def __init__(self):
        self.classes = None

    def fit(self, y):
        """Learn classes where `y` holds labels, else the scale of its numbers."""
        if type_of_target(y, input_name="y") in ("binary", "multiclass"):
            return self.fit_classes(np.asarray(y).reshape(-1))
        Y = self._features(y)
        self.mean, std = Y.mean(axis=0), Y.std(axis=0)
        self.scale, self.n_context = np.where(std > 0, std, 1.0), Y.shape[1]
        chosen = slice(None)
        if len(Y) > _POOL:
            chosen = np.random.default_rng(0).choice(len(Y), _POOL, replace=False)
        self.pool = self.transform(Y)[chosen]
        return self

    def fit_classes(self, y):
        """Learn the classes of labels and how frequent they are."""
        self.classes, counts = np.unique(y, return_counts=True)
        self.prior, self.n_context = counts / len(y), len(self.classes)
        return self

    def draw(self, n, rng):
        """Return the contexts of `n` rows, as frequent as in the fit."""
        if self.classes is None:
            return self.pool[rng.randint(len(self.pool), size=n)]
        index = rng.choice(self.n_context, size=n, p=self.prior)
        return np.eye(self.n_context, dtype=np.float32)[index]

    @staticmethod
    def _features(y):
        Y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        return Y.reshape(len(Y), -1)

    def transform(self, y):
        """Return the float32 contexts (n, n_context) of `y`; `ValueError` for unseen classes."""
        if self.classes is None:
            Y = self._features(y)
            if Y.shape[1] != self.n_context:
                raise ValueError(
                    f"`y` has {Y.shape[1]} columns. Allowed: {self.n_context}, as in the fit. "
                    "Pass the same features."
                )
            return ((Y - self.mean) / self.scale).astype(np.float32)
        y = np.asarray(y).reshape(-1)
        unseen = sorted(set(y.tolist()) - set(self.classes.tolist()), key=str)
        if unseen:
            raise bad_value(
                "y",
                unseen[0],
                "is a class that the model was not fitted with",
                ", ".join(repr(label) for label in self.classes.tolist()),
                "Name one of these, or fit with it.",
            )
        number = {label: i for i, label in enumerate(self.classes.tolist())}
        index = np.array([number[label] for label in y.tolist()], dtype=np.intp)
        return np.eye(self.n_context, dtype=np.float32)[index]
