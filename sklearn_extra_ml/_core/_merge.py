"""Whether what two fitted models have learnt may be added up."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

__all__ = ["check_mergeable"]


def check_mergeable(estimator, other, names=()):
    """Raise unless `other` is a fitted estimator of the same class, columns and classes.

    `names` are those of the parameters, or fitted attributes, that decide what is counted: their values
    must be equal. Raises `TypeError` for another class, `ValueError` for the rest.
    """
    if type(other) is not type(estimator):
        raise TypeError(
            f"`other` is a {type(other).__name__}. Allowed: a fitted {type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    check_is_fitted(other)
    for name in ("n_features_in_", "feature_names_in_", "classes_", *names):
        own, others = getattr(estimator, name, None), getattr(other, name, None)
        if not np.array_equal(own, others):
            fix = " Give `partial_fit` the same `classes` for every part." * (name == "classes_")
            raise ValueError(
                f"`other` has `{name}`={others!r}, and this model {own!r}. Allowed: models that were "
                f"fitted alike, to different rows.{fix}"
            )
