"""What callbacks see of a t-SNE fit: one task for every 50 iterations."""

__all__ = ["Watch"]


class Watch:
    """Calls the hooks of a fit; the map so far is what `transform` of a reconstruction uses."""

    def __init__(self, estimator, X, n_tasks):
        self.estimator, self.X, self.n_left = estimator, X, n_tasks
        self.root = estimator._init_callback_context(max_subtasks=n_tasks)
        self.root.call_on_fit_task_begin(estimator=estimator, X=X)
        self._begin()

    def _begin(self):
        if self.n_left:
            self.n_left -= 1
            self.task = self.root.subcontext(task_name="iterations")
            self.task.call_on_fit_task_begin(estimator=self.estimator, X=self.X)

    def __call__(self, embedding):
        """End 50 iterations and begin the next ones; true ends the fit."""
        stop = self.task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            reconstruction_attributes=lambda: {"embedding_": embedding(), "_fit_X": self.X},
        )
        if not stop:
            self._begin()
        return stop

    def close(self):
        """End the fit."""
        found = {"embedding_": self.estimator.embedding_, "_fit_X": self.X}
        self.root.call_on_fit_task_end(
            estimator=self.estimator, X=self.X, reconstruction_attributes=lambda: found
        )
