"""What callbacks see of a RANSAC fit: one task for each trial."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LinearRegression


def fitted_state(ransac):
    """What `predict` and `score` need of a fitted regressor."""
    return {"estimator_": ransac.estimator_, "inlier_mask_": ransac.inlier_mask_}


def trial_watcher(ransac, engine, X, y):
    """Open the callback context of a fit; return what to call after each trial."""
    trials = None if np.isinf(ransac.max_trials) else int(ransac.max_trials)
    root = ransac._init_callback_context(max_subtasks=trials)
    root.call_on_fit_task_begin(estimator=ransac, X=X, y=y)

    def state(best):
        """The estimator as if the search ended here: fitted to the best inliers so far."""
        inliers = engine.rows.spread(engine.inliers(best.model), len(y), False)
        given = LinearRegression() if ransac.estimator is None else clone(ransac.estimator)
        return {"estimator_": given.fit(X[inliers], y[inliers]), "inlier_mask_": inliers}

    def on_trial(progress):
        task = root.subcontext(task_name="trial")
        task.call_on_fit_task_begin(estimator=ransac, X=X, y=y)
        best = progress.best
        return task.call_on_fit_task_end(
            estimator=ransac,
            X=X,
            y=y,
            reconstruction_attributes=None if best is None else lambda: state(best),
        )

    return on_trial
