"""Callbacks of `sklearn.callback` that write down what they are told."""


class Recorder:
    """Lists the tasks of a fit as they begin and end; may ask to stop at the n-th end of a task."""

    def __init__(self, stop_at=None, n=1):
        self.events, self.stop_at, self.n = [], stop_at, n

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name}")
        return context.task_name == self.stop_at and self.ended(self.stop_at) >= self.n

    def ended(self, task):
        """Return how often a task has ended."""
        return self.events.count(f"end {task}")


class Watcher(Recorder):
    """Also keeps ``look(estimator)``, fitted as far as it is, at each end of a task."""

    def __init__(self, task, look, stop_at=None, n=1):
        super().__init__(stop_at, n)
        self.task, self.look, self.seen = task, look, []

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == self.task:
            self.seen.append(self.look(fitted_estimator))
        return super().on_fit_task_end(estimator, context)
