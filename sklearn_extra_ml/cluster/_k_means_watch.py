"""What callbacks see of a k-means fit: a task for each run, below it one for each iteration."""

import numpy as np

__all__ = ["Watch", "fitted_centers"]


def fitted_centers(offset, means, dtype):
    """Return the attributes that the methods after `fit` need, by name.

    `means` are the centres in double precision, centred by `offset`. The centred ones in `dtype`
    are kept beside `cluster_centers_`, whose rounding far from the origin must not reach a label.
    """
    public = (means + offset).astype(dtype)
    return {
        "cluster_centers_": public,
        "_public_centers": public.copy(),
        "_centers": means.astype(dtype),
        "_means": means,
        "_offset": offset,
    }


class Watch:
    """Calls the hooks of one run: before and after each iteration, and at its end."""

    def __init__(self, estimator, context, X, offset):
        self.estimator, self.X, self.offset = estimator, X, offset
        self.run = context.subcontext(task_name="run", max_subtasks=estimator.max_iter)
        self.run.call_on_fit_task_begin(estimator=estimator, X=X)
        self.iteration = None

    def __call__(self, centers=None):
        """Begin an iteration, or end it with these centres; true ends the run."""
        if centers is None:
            self.iteration = self.run.subcontext(task_name="iteration")
            self.iteration.call_on_fit_task_begin(estimator=self.estimator, X=self.X)
            return False
        return self._end(self.iteration, centers)

    def close(self, run):
        """End the run; true means no further runs."""
        return self._end(self.run, run.centers)

    def _end(self, context, centers):
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            reconstruction_attributes=lambda: fitted_centers(
                self.offset, centers.astype(np.float64), centers.dtype
            ),
        )
