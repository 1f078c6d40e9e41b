"""What callbacks see of a fit: a task for each run of EM, below it one for each iteration."""

from .._core._validation import has_callbacks

__all__ = ["Watch"]


class Watch:
    """Calls scikit-learn's callback hooks around runs and iterations; nothing without callbacks.

    Used as a context: entering begins the task of the whole fit.
    """

    def __init__(self, estimator, X, metadata):
        self.estimator, self.X, self.metadata = estimator, X, metadata
        self.stopped = False
        self.root = None

    @classmethod
    def of(cls, estimator, X, groups):
        """For one call of `fit`; X as it was given, id column and all."""
        return cls(estimator, X, None if groups is None else {"groups": groups})

    def __enter__(self):
        if has_callbacks(self.estimator):
            self.root = self.estimator._init_callback_context(max_subtasks=self.estimator.n_init)
            self._begin(self.root)
        self.last = None
        return self

    def __exit__(self, *error):
        if self.root is not None and error[0] is None:
            self._end(self.root, self.last)

    def run(self, fit_once):
        """Return ``fit_once(hook)``; `hook` is for `run_em`."""
        if self.root is None:
            return fit_once(None)
        task = self.root.subcontext(task_name="run", max_subtasks=self.estimator.max_iter)
        self._begin(task)
        iteration = None

        def hook(model=None):
            nonlocal iteration
            if model is None:
                iteration = task.subcontext(task_name="iteration")
                self._begin(iteration)
                return False
            return self._end(iteration, model)

        result = fit_once(hook)
        self.stopped = bool(self._end(task, result.model))
        return result

    def _begin(self, context):
        context.call_on_fit_task_begin(estimator=self.estimator, X=self.X, metadata=self.metadata)

    def _end(self, context, model):
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            metadata=self.metadata,
            reconstruction_attributes=lambda: self.estimator._attributes(model),
        )
