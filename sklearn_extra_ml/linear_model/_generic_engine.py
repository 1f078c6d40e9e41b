"""RANSAC trials of any regressor: parallel, and left early when a trial cannot win.

Each worker thread fits its own clone; a trial's model predicts a first slice of the rows (which lie
in a random-like order) and the next one only while even a perfect rest could still beat the best
consensus: the bound is exact. Samples and the seeds handed to the estimator depend on the trial's
number alone, so results do not depend on the number of jobs.
"""

from concurrent.futures import ThreadPoolExecutor
from inspect import signature

import numpy as np
from joblib import effective_n_jobs
from sklearn import config_context, get_config
from sklearn.base import clone

from .._core._validation import check_method_params
from .._native._ransac import draw_samples, loss_entropy
from ._consensus import (
    INVALID_DATA,
    INVALID_MODEL,
    VALID,
    Candidate,
    exact_mass,
    gains,
    weighted_median,
)
from ._noise_scale import SCALE_ROWS, lowest_scale, noise_threshold

_FIRST_SLICE = 1024
_N_PILOT_TRIALS = 32
_N_IMPROVEMENTS = 3
_N_SETTLING = 10
_NOTHING = np.ones(0)


class GenericEngine:
    """Trials of one estimator over one data set; rows are the distinct ones, in content order."""

    n_rescalings = 1  # a flexible estimator follows any threshold a little further

    def __init__(
        self, estimator, X, y, rows, *, loss, fit_params, score_params, min_samples, power, seed,
        n_jobs, is_data_valid, is_model_valid, pass_weights,
    ):  # fmt: skip
        self.estimator, self.X_given, self.y_given = estimator, X, y
        self.rows, self.index, self.weights = rows, rows.index, rows.weight
        self.X, self.y = X[self.index], y[self.index]
        self.dtype = np.dtype(np.float32 if y.dtype == np.float32 else np.float64)
        self.loss, self.power = loss, power
        self.fit_params, self.score_params = fit_params, score_params
        self.min_samples, self.seed, self.pass_weights = min_samples, seed, pass_weights
        self.is_data_valid, self.is_model_valid = is_data_valid, is_model_valid
        self.n_workers = effective_n_jobs(n_jobs)
        self.n = len(self.index)
        self.dof = min_samples
        self.total_mass = float(self.n if self.weights is None else self.weights.sum())
        # The noise is estimated with weights that are 1 on average: their unit says nothing about it.
        self.unit, self.relative = self.total_mass / self.n, None
        if self.weights is not None:
            self.relative = self.weights / self.unit
        self.exact = exact_mass(self.relative, self.dof)
        self._cumulative = _NOTHING
        self._pilots = {}
        self._spare = []  # clones that workers hand on
        self._seeder = Seeder(estimator)
        # A loss of the user's own might look at all rows at once: it is shown all of them.
        self.first_slice = self.n if power == 0 else _FIRST_SLICE
        values = X.data if hasattr(X, "indptr") else X
        finite = bool(np.isfinite(values).all() and np.isfinite(y).all())
        self._config = get_config() | {"skip_parameter_validation": True}
        self._config["assume_finite"] = finite or self._config["assume_finite"]
        self.rule = None

    def __enter__(self):
        """Keep the worker threads from batch to batch.

        Trials take about a millisecond and batches are many; joblib waits 10 ms for each.
        """
        self._pool = ThreadPoolExecutor(self.n_workers) if self.n_workers > 1 else None
        return self

    def __exit__(self, *reason):
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def _map(self, work, items):
        """Return ``[work(item) for item in items]``, by the worker threads if there are any."""
        return list(map(work, items) if self._pool is None else self._pool.map(work, items))

    def prepare(self, rule, sampling):
        """Fix the scoring rule and the way of drawing; called once before `search`."""
        self.rule = rule
        if sampling == "weighted" and self.weights is not None:
            self._cumulative = np.cumsum(self.weights)

    # ------------------------------------------------------------------------------ fitting

    def fresh(self):
        return clone(self.estimator)

    def fit(self, estimator, distinct, key):
        """Fit on distinct rows; `key` names the fit, so that its seed is the same on any worker."""
        given = self.index[distinct]
        params = check_method_params(self.X_given, self.fit_params, indices=given)
        if self.pass_weights and self.weights is not None:
            params["sample_weight"] = self.weights[distinct]
        self._seeder(estimator, self.seed, *key)
        return estimator.fit(self.X[distinct], self.y[distinct], **params)

    def _losses(self, estimator, start=0, stop=None):
        y = self.y[start:stop]
        y_pred = np.asarray(estimator.predict(self.X[start:stop]))
        # A column of targets comes back flat from some regressors; it must not broadcast.
        losses = np.asarray(
            self.loss(y, y_pred if y_pred.ndim == y.ndim else y_pred.reshape(y.shape))
        )
        if losses.shape != (len(y),):
            raise ValueError(
                f"`loss` returned an array of shape {losses.shape} for {len(y)} rows. Allowed: one "
                "number for each row, shape (n_samples,). Sum over the targets, not over the rows."
            )
        return losses

    # ------------------------------------------------------------------------------ trials

    def batch_size(self, first_trial, has_best):
        return 1 if self.n_workers == 1 else 4 * self.n_workers

    def evaluate(self, first_trial, count, best_score):
        """Status and score of `count` trials; -inf for those that cannot beat `best_score`."""
        samples = np.empty((count, self.min_samples), dtype=np.intp)
        draw_samples(self.seed, first_trial, self._cumulative, self.n, samples)
        n_workers = min(self.n_workers, count)
        outcome = self._map(
            lambda worker: self._work(
                samples, range(worker, count, n_workers), first_trial, best_score
            ),
            range(n_workers),
        )
        trials = [None] * count
        for worker, part in enumerate(outcome):
            trials[worker::n_workers] = part
        self._batch = trials
        return [t[0] for t in trials], [t[1] for t in trials]

    def _work(self, samples, which, first_trial, best_score):
        """Run the trials of one worker with one clone; a new one replaces each that is kept."""
        with config_context(**self._config):
            results = []
            estimator = self._spare.pop() if self._spare else self.fresh()
            for i in which:
                if first_trial + i in self._pilots:
                    results.append(self._rescore(*self._pilots.pop(first_trial + i)))
                    continue
                status = self._fit_trial(estimator, samples[i], first_trial + i)
                if status != VALID:
                    results.append((status, -np.inf, None, None))
                    continue
                score, losses = self._score(estimator, best_score)
                if losses is None:
                    results.append((VALID, -np.inf, None, None))
                else:
                    results.append((VALID, score, estimator, losses))
                    estimator = self.fresh()
            self._spare.append(estimator)
            return results

    def _fit_trial(self, estimator, sample, trial):
        given = self.index[sample]
        X, y = self.X_given[given], self.y_given[given]
        if self.is_data_valid is not None and not self.is_data_valid(X, y):
            return INVALID_DATA
        self.fit(estimator, sample, (trial,))
        if self.is_model_valid is not None and not self.is_model_valid(estimator, X, y):
            return INVALID_MODEL
        return VALID

    def _score(self, estimator, best_score):
        """Score a fitted estimator slice by slice; (None, None) once it cannot win any more."""
        if self.rule.scoring == "lmeds":
            return self._score_median(estimator, best_score)
        # Sums of fractions round: give the bound that much room.
        to_beat = 0.0 if best_score is None else best_score - 1e-9 * abs(best_score)
        parts, score, left, start = [], 0.0, self.total_mass, 0
        stop = self._next_stop(0, 0.0, to_beat)
        while start < self.n:
            parts.append(self._losses(estimator, start, stop))
            part = gains(parts[-1], self.rule)
            if self.weights is None:
                score, left = score + part.sum(), left - (stop - start)
            else:
                w = self.weights[start:stop]
                score, left = score + w @ part, left - w.sum()
            if score + left < to_beat:
                return None, None
            start, stop = stop, self._next_stop(stop, score / (self.total_mass - left), to_beat)
        losses = np.concatenate(parts)
        return self._full_score(losses), losses

    def _next_stop(self, start, rate, to_beat):
        """Where to look next: where a trial that goes on gaining at this rate could be dropped."""
        needed = to_beat / self.total_mass
        if self.first_slice >= self.n or rate >= needed:
            return self.n
        stop = int(1.02 * self.n * (1 - needed) / (1 - rate)) + 1
        return min(max(stop, start + _FIRST_SLICE), self.n)

    def _score_median(self, estimator, best_score):
        start = min(self.first_slice, self.n)
        losses = self._losses(estimator, 0, start)
        if best_score is not None and start < self.n:
            weights = np.ones(self.n) if self.weights is None else self.weights
            below = weights[:start] @ (losses <= -best_score)
            if below + weights[start:].sum() < self.total_mass / 2:
                return None, None
        if start < self.n:
            losses = np.concatenate([losses, self._losses(estimator, start)])
        return self._full_score(losses), losses

    def _full_score(self, losses):
        if self.rule.scoring == "lmeds":
            return -weighted_median(losses, self.weights)
        part = gains(losses, self.rule)
        return float(part.sum() if self.weights is None else self.weights @ part)

    def _rescore(self, status, estimator, losses):
        if status != VALID:
            return status, -np.inf, None, None
        return status, self._full_score(losses), estimator, losses

    # -------------------------------------------------------------------------- candidates

    def inliers(self, model, threshold=None):
        return model[1] <= (self.rule.threshold if threshold is None else threshold)

    def mass(self, mask):
        return float(np.count_nonzero(mask) if self.weights is None else self.weights[mask].sum())

    def candidate(self, i, score):
        model = self._batch[i][2:]
        return Candidate(model, score, self.mass(self.inliers(model)))

    def fit_score(self, candidate):
        """The estimator's own score on its inliers."""
        estimator, distinct = candidate.model[0], np.flatnonzero(self.inliers(candidate.model))
        given = self.index[distinct]
        params = check_method_params(self.X_given, self.score_params, indices=given)
        weighted = self.weights is not None and self.pass_weights
        if weighted and "sample_weight" in signature(estimator.score).parameters:
            params = params | {"sample_weight": self.weights[distinct]}
        return estimator.score(self.X[distinct], self.y[distinct], **params)

    def improve(self, candidate):
        """Refit on some rows of a wider band, then on inliers as long as the consensus grows."""
        most = max(_FIRST_SLICE, 4 * self.min_samples)
        current, wide = candidate.model, 4 ** (self.power or 1)
        with config_context(**self._config):
            for step in range(_N_IMPROVEMENTS):
                band = self.rule.threshold * (wide if step == 0 else 1)
                distinct = np.flatnonzero(self.inliers(current, band))[:most]
                if len(distinct) <= self.min_samples:
                    break
                estimator = self.fit(self.fresh(), distinct, (2**32, step))
                # the first step only leads elsewhere; its own consensus need not be the best
                score, losses = self._score(estimator, candidate.score if step else None)
                if losses is None or (step and not score > candidate.score):
                    break
                current = (estimator, losses)
                if score > candidate.score:
                    candidate = Candidate(current, score, self.mass(self.inliers(current)))
        return candidate

    def pilot(self, *, deterministic):
        """Models that need no threshold: the first trials, with the entropy of their losses."""
        self.lowest = lowest_scale(self.y, self.weights, 1e-5)
        count = int(min(_N_PILOT_TRIALS, self.rule.max_trials))
        w = _NOTHING[:0] if self.relative is None else self.relative
        samples = np.empty((count, self.min_samples), dtype=np.intp)
        draw_samples(self.seed, 0, self._cumulative, self.n, samples)

        def one(trial):
            with config_context(**self._config):
                estimator = self.fresh()
                status = self._fit_trial(estimator, samples[trial], trial)
                losses = self._losses(estimator) if status == VALID else None
                return status, estimator, losses

        outcome = self._map(one, range(count))
        self._pilots = dict(enumerate(outcome))
        models = [t[1:] for t in outcome if t[0] == VALID]
        drops = [  # what a model was drawn through it fits exactly
            float(self.min_samples if self.relative is None else self.relative[sample].sum())
            for sample, t in zip(samples, outcome, strict=True)
            if t[0] == VALID
        ]
        entropies = [
            loss_entropy(self._root(m[1]), w, self.lowest, drop)[0]
            for m, drop in zip(models, drops, strict=True)
        ]
        return models, np.asarray(entropies)

    def _root(self, losses):
        losses = np.asarray(losses, dtype=np.float64)
        return np.sqrt(losses) if self.power == 2 else losses

    def noise_threshold(self, model, start=None):
        """Threshold and noise scale from the losses of a good model."""
        rough = start is None
        if rough:
            w = _NOTHING[:0] if self.relative is None else self.relative
            start = loss_entropy(self._root(model[1]), w, self.lowest, self.exact)[1] / 1.5
        losses = model[1][:SCALE_ROWS]
        dof = self.dof * len(losses) / self.n
        exact = dof if self.relative is None else self.exact
        return noise_threshold(
            losses, self.relative, start, dof, exact, self.lowest, self.power, rough=rough
        )

    def settle(self, model, threshold):
        """Refit on the rows within the threshold until at most 1 % of them change."""
        before = None
        with config_context(**self._config):
            for step in range(_N_SETTLING):
                mask = self.inliers(model, threshold)
                if before is not None and self.mass(mask ^ before) <= 0.01 * self.mass(mask):
                    break
                if not mask.any():
                    break
                before = mask
                estimator = self.fit(self.fresh(), np.flatnonzero(mask), (2**33, step))
                model = (estimator, self._losses(estimator))
        return model


class Seeder:
    """Seeds an estimator: its own `random_state`, and nested ones that are not set."""

    def __init__(self, estimator):
        self.names = sorted(
            name
            for name, value in estimator.get_params(deep=True).items()
            if name == "random_state" or (name.endswith("__random_state") and value is None)
        )

    def __call__(self, estimator, seed, *key):
        """Set seeds that depend on `seed` and `key` only."""
        if not self.names:
            return
        seeds = {name: _mixed(seed, *key, i) for i, name in enumerate(self.names)}
        if self.names == ["random_state"]:  # what set_params would do, without its look-ups
            estimator.random_state = seeds["random_state"]
        else:
            estimator.set_params(**seeds)


def _mixed(*numbers):
    """A 31-bit hash of integers (the finaliser of splitmix64, chained)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & (2**64 - 1)
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        state ^= state >> 31
    return state >> 33
