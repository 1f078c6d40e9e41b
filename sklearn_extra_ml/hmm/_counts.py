"""What the models of counts share: their rows, and clusters of them to start from."""

from .._core._gaussian import COVARIANCES
from .._core._validation import StrOptions
from ._base import BaseHMM
from ._starts import SEEDINGS, cluster_labels

__all__ = ["BaseCountHMM"]


class BaseCountHMM(BaseHMM):
    """States that emit counts: numbers from 0 on, a column for each thing that is counted."""

    _parameter_constraints: dict = {
        **BaseHMM._parameter_constraints,
        "init_params": [StrOptions(set(SEEDINGS))],
    }

    @property
    def _one_start(self):
        return self.init_params == "kmeans"

    def _refuse_negative(self, X):
        if X.min() < 0:
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: the smallest count is "
                f"{X.min():g}. Allowed: 0 and more. Check the column."
            )

    def _clusters(self, problem, features, states, rng):
        """Return labels of the rows by their `features`, and statistics of the counts by label."""
        options = {"n_threads": problem.n_threads}
        labels = cluster_labels(
            features,
            problem.sequences.n_states,
            seeding=self.init_params,
            weights=problem.row_weights,
            states=states,
            rng=rng,
            **options,
        )
        found = COVARIANCES["tied_diag"].accumulate(
            problem.data.X,
            labels,
            n_components=problem.sequences.n_states,
            sample_weight=problem.row_weights,
            **options,
        )
        return labels, found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags
