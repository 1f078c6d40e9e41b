"""RANSAC trials of a linear model, compiled: many hypotheses at once over packed rows.

`linear_design` tells whether an estimator is a linear model in disguise (LinearRegression, Ridge,
or a Pipeline of PolynomialFeatures and one of them); then no estimator is fitted in a trial. A
trial is a solved sample (`solve_samples`), a batch of trials one sweep over blocks of rows
(`score_models`), in single precision first (`screen_models`), which drops most of them. Samples too
close to singular for LU or QR are solved as scikit-learn solves them, by the minimum norm solution
with its cut of singular values.

Local optimisation (Chum, Matas and Kittler, 2003) tightens a model: least squares on the rows
within a threshold that shrinks to the final one. Besides the drawn samples there are five
deterministic starts (`starts`): all rows, the two ends of the longest axis of X, and the two
sides of the least-squares plane; outliers that crowd one place are missing from one of them. With
no threshold known, each start keeps the step at which its residuals have the least entropy, which
needs no scale: a model that many rows fit closely describes them in fewest bits.
"""

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures

from .._native import _ransac as kernel
from .._native._ransac_fit import explained_sums, mark_within
from .._native._ransac_screen import narrow_rows, screen_models
from .._native._ransac_starts import N_STARTS, mark_starts
from ._consensus import (
    COUNT,
    INVALID_DATA,
    VALID,
    Candidate,
    exact_mass,
    gain_curve,
    gain_kind,
    weighted_median,
)
from ._noise_scale import SCALE_ROWS, lowest_scale, noise_threshold

_BLOCK = kernel.BLOCK
_NOTHING = np.ones(0)
_NO_MASKS = np.zeros((0, 1), dtype=np.uint8)
_NONE = np.empty(0)
_NO_CURVE = np.zeros(0, dtype=np.float32)
_N_PILOT_TRIALS = 100
_N_PILOT_MODELS = 3
_N_UNSCREENED = 8  # so few models are not worth a screening first


class Hypotheses:
    """The models of one batch, what they scored, and the rows they were drawn from."""

    def __init__(self, samples, models, scores):
        self.samples, self.models, self.scores = samples, models, scores


def linear_design(estimator):
    """Return (transformers, linear model) when `estimator` is one of those compiled, else None."""
    steps = []
    if type(estimator) is Pipeline:
        for _, step in estimator.steps[:-1]:
            if step is None or (isinstance(step, str) and step == "passthrough"):
                continue
            if type(step) is not PolynomialFeatures:
                return None
            steps.append(step)
        estimator = estimator.steps[-1][1]
    if type(estimator) is LinearRegression:
        return None if estimator.positive else (steps, estimator)
    if type(estimator) is Ridge:
        plain = estimator.solver in ("auto", "cholesky", "svd") and not estimator.positive
        return (steps, estimator) if plain and np.ndim(estimator.alpha) == 0 else None
    return None


def build_design(steps, X):
    """Return the design matrix of `X`, floating and C-contiguous; its steps only look at shapes."""
    with config_context(transform_output="default"):
        for step in steps:
            X = clone(step).fit_transform(X)
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
    return np.ascontiguousarray(X, dtype=dtype)


def _empty_aligned(shape, dtype):
    """An uninitialised array that starts at a cache line, so that no vector load straddles two."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.empty(n_bytes + 64, dtype=np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def _medians(rows):
    """Medians of the first rows: an origin near the data however far its outliers are."""
    middle = len(rows) // 2
    return np.partition(rows, middle, axis=0)[middle].astype(np.float64)


class LinearEngine:
    """Trials of one linear model over one data set; rows are the distinct ones, in content order.

    Models live in packed coordinates: columns and targets centred, constant columns left out.
    """

    n_rescalings = 10  # of the final threshold to the final model

    def __init__(
        self, design, y, rows, linear, *, min_samples, power, seed, n_threads, is_data_valid
    ):
        self.X, self.y, self.rows = design, y, rows
        self.index, self.weights = rows.index, rows.weight
        self.w = _NOTHING if rows.weight is None else rows.weight
        self.min_samples, self.power, self.seed = min_samples, power, seed
        self.n_threads, self.is_data_valid = n_threads, is_data_valid
        self.intercept = bool(linear.fit_intercept)
        self.alpha = float(linear.alpha) if isinstance(linear, Ridge) else 0.0
        self.tol = linear.tol if isinstance(linear, LinearRegression) else 0.0
        self.squared = power == 2
        # Waking threads costs more than a sweep over few rows; tasks of many passes are worth it.
        self.n_row_threads = n_threads if design.size > 2**16 else 1
        self._pack()
        self.n = len(self.index)
        self.total_mass = float(self.n if self.weights is None else self.weights.sum())
        # The noise is estimated with weights that are 1 on average: their unit says nothing about it.
        self.unit, self.relative, self.w_relative = 1.0, None, self.w
        if self.weights is not None:
            self.unit = self.total_mass / self.n
            self.relative, self.w_relative = self.weights / self.unit, self.w / self.unit
        self.exact = exact_mass(self.relative, self.dof)
        self._cumulative = _NOTHING
        self._first = None
        self._narrow = None  # the rows in single precision, made when first asked for
        self.rule = None

    def _pack(self):
        targets = self.y.reshape(len(self.y), -1)
        head = self.index[:127]
        X, X_head = self.X, self.X[head]
        x_centre, y_centre = _medians(X_head), _medians(targets[head])
        self.columns = np.arange(X.shape[1])
        if self.intercept:
            varies = (X_head != X_head[0]).any(axis=0)
            if not varies.all():
                varies[~varies] = (X[:, ~varies] != X_head[0, ~varies]).any(axis=0)
                self.columns = np.flatnonzero(varies)
                X = np.ascontiguousarray(X[:, self.columns])
                x_centre = x_centre[self.columns]
        else:
            x_centre, y_centre = np.zeros_like(x_centre), np.zeros_like(y_centre)
        self.x_centre, self.y_centre = x_centre, y_centre
        self.p, self.t, self.dtype = X.shape[1], targets.shape[1], X.dtype
        self.dof = self.p + self.intercept
        n_blocks = -(-len(self.index) // _BLOCK)
        self.blocks = _empty_aligned((n_blocks, self.p + self.t, _BLOCK), X.dtype)
        kernel.pack_rows(
            X,
            np.asarray(targets, dtype=X.dtype),
            self.index,
            np.ascontiguousarray(x_centre, dtype=np.float64),
            np.ascontiguousarray(y_centre, dtype=np.float64),
            self.n_row_threads,
            self.blocks,
        )
        if self.weights is None:
            ends = np.arange(n_blocks + 1) * float(_BLOCK)
            self.mass_before = np.minimum(ends, len(self.index))
        else:
            self.w = np.zeros(n_blocks * _BLOCK)
            self.w[: len(self.index)] = self.weights
            per_block = self.w.reshape(n_blocks, _BLOCK).sum(axis=1)
            self.mass_before = np.concatenate([[0.0], np.cumsum(per_block)])
        # The local optimisation looks at the first rows only: 50 for each coefficient.
        most = max(4096, 5 * self.dof)
        self.n_head = -(-min(len(self.index), max(1024, min(50 * self.dof, most))) // _BLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        """Nothing is held."""

    def prepare(self, rule, sampling):
        """Fix the scoring rule and the way of drawing; called once before `search`."""
        self.rule = rule
        if sampling == "weighted" and self.weights is not None:
            self._cumulative = np.cumsum(self.weights)
        self._curve = gain_curve() if rule.scoring == "gaussian_uniform" else _NO_CURVE
        radius = rule.threshold ** (1 / self.power)
        # one target, unweighted: what the screening kernel knows; its squares must not overflow
        self._screens = (
            self.t == 1
            and self.weights is None
            and self.n * (self.p + 1) > 2**16
            and rule.scoring in ("inliers", "msac")
            and 1e-10 < radius < 1e15
        )

    # ------------------------------------------------------------------------------ trials

    def batch_size(self, first_trial, has_best):
        """Small batches while nothing is known to drop a hypothesis by, then large ones."""
        size = 256 if has_best or first_trial >= 240 else 16 if first_trial == 0 else 64
        limit = max(1, 2**24 // max(1, self.min_samples))
        return min(size, limit)

    def solve(self, first_trial, count):
        """Draw and solve trials; return samples (count, m) and models (count, t, p + 1)."""
        if first_trial == 0 and self._first is not None and len(self._first[0]) >= count:
            return tuple(part[:count] for part in self._first)
        samples = np.empty((count, self.min_samples), dtype=np.intp)
        kernel.draw_samples(self.seed, first_trial, self._cumulative, self.n, samples)
        models = np.zeros((count, self.t, self.p + 1))
        ratios = np.empty(count)
        kernel.solve_samples(
            self.blocks,
            self.w,
            self.n,
            self.t,
            samples,
            self.intercept,
            self.alpha,
            self.n_threads,
            models,
            ratios,
        )
        if self.alpha == 0:
            # Pivots bound singular values loosely: look twice well before scikit-learn's cut.
            doubtful = np.flatnonzero(~(ratios > max(100 * self.tol, 1e-10)))
            for at in doubtful:
                models[at] = self._minimum_norm(samples[at])
        if first_trial == 0:
            self._first = samples, models  # the pilot and the search want them both
        return samples, models

    def _minimum_norm(self, sample):
        """Solve one sample as LinearRegression does: centred, minimum norm, singular values cut."""
        block, lane = sample // _BLOCK, sample % _BLOCK
        cells = self.blocks[block, :, lane].astype(np.float64)  # (m, p + t)
        A, b = cells[:, : self.p], cells[:, self.p :]
        w = np.ones(len(sample)) if self.weights is None else self.weights[sample]
        a_mean, b_mean = np.zeros(self.p), np.zeros(self.t)
        if self.intercept:
            a_mean, b_mean = np.average(A, axis=0, weights=w), np.average(b, axis=0, weights=w)
        root = np.sqrt(w)[:, None]
        model = np.zeros((self.t, self.p + 1))
        if self.p:
            U, s, Vt = np.linalg.svd((A - a_mean) * root, full_matrices=False)
            kept = s > max(self.tol, np.finfo(np.float64).eps) * s[0]
            inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
            model[:, :-1] = (Vt.T @ (inverse[:, None] * (U.T @ ((b - b_mean) * root)))).T
        if self.intercept:
            model[:, -1] = b_mean - model[:, :-1] @ a_mean
        return model

    def evaluate(self, first_trial, count, best_score):
        """Status and score of `count` trials; -inf for those that cannot beat `best_score`."""
        samples, models = self.solve(first_trial, count)
        status = [VALID] * count
        scores = np.full(count, -np.inf)
        wanted = np.arange(count)
        if self.is_data_valid is not None:
            for i in range(count):
                rows = self.index[samples[i]]
                if not self.is_data_valid(self.X_given[rows], self.y[rows]):
                    status[i] = INVALID_DATA
            wanted = np.flatnonzero(np.equal(status, VALID))
        scores[wanted] = self.score(models[wanted], best_score)
        self._batch = Hypotheses(samples, models, scores)
        return status, scores.tolist()

    def score(self, models, best_score):
        """Scores of models over all rows (-inf: dropped on the way)."""
        rule = self.rule
        if rule.scoring == "lmeds":
            return self._score_medians(models, best_score)
        if best_score is None:
            return self._gains(models, gain_kind(rule), rule.threshold, 0.0, True)
        scores = np.full(len(models), -np.inf)
        kept = np.arange(len(models))
        if self._screens and len(models) > _N_UNSCREENED:
            kept = self._screen(models, best_score)
        scores[kept] = self._gains(models[kept], gain_kind(rule), rule.threshold, best_score, True)
        return scores

    def _screen(self, models, to_beat):
        """Numbers of the models that may reach a score, found in single precision."""
        if self._narrow is None:
            single = self.blocks.dtype == np.float32
            narrow = self.blocks if single else _empty_aligned(self.blocks.shape, np.float32)
            largest = np.empty((len(self.blocks), self.p), dtype=np.float32)
            narrow_rows(self.blocks, self.n_row_threads, narrow, largest)
            self._narrow = narrow, largest
        kept = np.empty(len(models), dtype=np.uint8)
        quadratic = gain_kind(self.rule) != COUNT
        radius = self.rule.threshold ** (1 / self.power)
        screen_models(
            *self._narrow, self.n, models, quadratic, radius, to_beat, self.n_row_threads, kept
        )
        # Data of wildly different sizes pass the screen unseen: do without it then.
        self._screens = np.count_nonzero(kept) < len(kept) / 2
        return np.flatnonzero(kept)

    def _gains(self, models, kind, threshold, to_beat, among):
        gains = np.empty(len(models))
        kernel.score_models(
            self.blocks,
            self.w,
            self.mass_before,
            self.n,
            self.t,
            self.squared,
            models,
            kind,
            threshold,
            self._curve,
            to_beat,
            among,
            self.n_row_threads,
            gains,
            np.empty(len(models), dtype=np.intp),
        )
        return gains

    def _score_medians(self, models, best_score):
        """Minus the median loss; only models with half of the rows below the best are looked at."""
        scores = np.full(len(models), -np.inf)
        kept = np.arange(len(models))
        if best_score is not None:
            half = self.total_mass / 2
            kept = np.flatnonzero(self._gains(models, 0, -best_score, half, False) >= half)
        for i in kept:
            scores[i] = -weighted_median(self.losses(models[i]), self.weights)
        return scores

    # -------------------------------------------------------------------------- candidates

    def losses(self, model, n_rows=None):
        """Losses of the distinct rows, or of the first `n_rows` of them, under a model."""
        n_rows = self.n if n_rows is None else min(n_rows, self.n)
        blocks = self.blocks[: -(-n_rows // _BLOCK)]
        losses = np.empty((len(blocks), _BLOCK), dtype=blocks.dtype)
        n_threads = self.n_row_threads if n_rows == self.n else 1
        kernel.model_losses(blocks, self.t, self.squared, model, n_threads, losses)
        return losses.reshape(-1)[:n_rows]

    def inliers(self, model, threshold=None):
        """Which distinct rows lie within the threshold of a model."""
        threshold = self.rule.threshold if threshold is None else threshold
        mask = np.empty((len(self.blocks), _BLOCK), dtype=np.uint8)
        model = np.ascontiguousarray(model)
        mark_within(self.blocks, self.t, self.squared, model, threshold, self.n_row_threads, mask)
        return mask.view(bool).reshape(-1)[: self.n]

    def padded(self, mask):
        """A mask of the distinct rows as the kernels take it: (n_blocks, BLOCK), zero beyond."""
        whole = mask.base  # what `inliers` returned part of
        if whole is not None and whole.shape == (len(self.blocks), _BLOCK):
            if mask.ctypes.data == whole.ctypes.data and mask.flags.c_contiguous:
                return whole.view(np.uint8)
        out = np.zeros((len(self.blocks), _BLOCK), dtype=np.uint8)
        out.reshape(-1)[: self.n] = mask
        return out

    def mass(self, mask):
        return float(np.count_nonzero(mask) if self.weights is None else self.weights[mask].sum())

    def _mass_within(self, model, score):
        """Weight of the rows within the threshold of a model; `score` may tell it already."""
        return score if self.rule.scoring == "inliers" else self.mass(self.inliers(model))

    def candidate(self, i, score):
        model = self._batch.models[i]
        return Candidate(model, score, self._mass_within(model, score))

    def fit_score(self, candidate):
        """R2 of the model on its inliers, averaged over the targets; NaN for a single row."""
        mask = self.inliers(candidate.model)
        if np.count_nonzero(mask) < 2:
            return np.nan
        sums, centre = np.empty((self.t, 3)), np.zeros(self.t)
        arguments = (self.blocks, self.w, self.n, self.t, np.ascontiguousarray(candidate.model))
        for _ in range(2):  # the second time about the mean
            explained_sums(*arguments, centre, self.padded(mask), self.n_row_threads, sums)
            centre = centre + sums[:, 0] / self.mass(mask)
        total, unexplained = sums[:, 1], sums[:, 2]
        constant = total == 0
        score = 1 - unexplained / np.where(constant, 1, total)
        return float(np.where(constant, unexplained == 0, score).mean())

    # ------------------------------------------------------------------ local optimisation

    def _tighten(self, models, thresholds, tightest, n_steps, *, masks=_NO_MASKS, drops=None):
        """Tighten models on the first rows, in place; return their entropies, or None."""
        by_entropy = drops is not None
        entropies = np.empty(len(models) if by_entropy else 0)
        kernel.tighten_models(
            self.blocks,
            self.w_relative,
            self.n,
            self.n_head,
            self.t,
            self.squared,
            self.intercept,
            self.alpha / self.unit,
            masks,
            np.asarray(thresholds, dtype=np.float64),
            0.7**self.power,
            tightest,
            n_steps,
            getattr(self, "lowest", 1.0),
            drops if by_entropy else np.zeros(len(models)),
            self._exact_of(self.n_head * _BLOCK),
            self.n_threads,
            models,
            entropies,
        )
        return entropies if by_entropy else None

    def improve(self, candidate):
        """Local optimisation of a new best: from its own inliers, and from a wider band inwards."""
        threshold = self.rule.threshold
        models = np.repeat(candidate.model[None], 2, axis=0)
        self._tighten(models, [threshold, 4**self.power * threshold], threshold, 20)
        return self.best_of(models, candidate)

    def start(self, models, entropies, *, known):
        """The candidate to beat before any trial: the best pilot model, tightened to the threshold.

        `known`: the threshold was estimated from the model of least entropy, which then leads.
        """
        threshold = self.rule.threshold
        if known:
            leader = models[int(np.argmin(entropies))]
            models, first = np.repeat(leader[None], 2, axis=0), [1, 4**self.power]
        else:
            models, first = models.copy(), [4**self.power] * len(models)
        self._tighten(models, np.multiply(first, threshold), threshold, 20)
        found = self.best_of(models)
        return found if found is not None and found.mass > 0 else None

    def best_of(self, models, candidate=None):
        """The best of a candidate and some models."""
        scores = self.score(models, candidate.score if candidate else None)
        at = int(np.argmax(scores))
        if not np.isfinite(scores[at]) or (candidate and scores[at] <= candidate.score):
            return candidate
        score = float(scores[at])
        return Candidate(models[at], score, self._mass_within(models[at], score))

    def starts(self):
        """Row masks (n_starts, rows of the head) of the deterministic starts."""
        n_rows = self.n_head * _BLOCK
        if self.p == 0:
            masks = np.zeros((1, n_rows), dtype=np.uint8)
            masks[0, : self.n] = 1
            return masks
        masks = np.zeros((N_STARTS, n_rows), dtype=np.uint8)
        mark_starts(self.blocks, self.w, self.n, self.t, self.intercept, masks)
        return masks

    def pilot(self, *, deterministic):
        """Models that need no threshold: the least-entropy steps of the starts and best samples.

        Returns models (n, t, p + 1) and their entropies, and sets `lowest`, the scale of rounding.
        """
        relative = 1e-9 if self.blocks.dtype == np.float64 else 1e-5
        head = self.index[: self.n_head * _BLOCK]
        weights = None if self.weights is None else self.weights[: len(head)]
        self.lowest = lowest_scale(self.y[head], weights, relative)
        count = int(min(_N_PILOT_TRIALS, self.rule.max_trials))
        samples, drawn = self.solve(0, count)
        if self.is_data_valid is not None:
            ok = [self.is_data_valid(self.X_given[r], self.y[r]) for r in self.index[samples]]
            samples, drawn = samples[np.asarray(ok, bool)], drawn[np.asarray(ok, bool)]
        # Screening needs fewer rows than fitting.
        n_screen = min(self.n_head, -(-max(512, 20 * self.dof) // _BLOCK))
        in_head = samples < n_screen * _BLOCK
        drops = (
            in_head.sum(axis=1)
            if self.relative is None
            else (self.relative[samples] * in_head).sum(1)
        )
        drops = np.minimum(drops.astype(np.float64), self.n)
        entropies = np.empty(len(drawn))
        self._measure(drawn, drops, n_screen, self.n_threads, entropies=entropies)
        top = np.argsort(entropies, kind="stable")[:_N_PILOT_MODELS]
        cores, top_drops = np.empty(len(top)), drops[top]
        self._measure(drawn[top], top_drops, n_screen, 1, cores=cores)
        masks = self.starts() if deterministic else _NO_MASKS
        models = np.concatenate([np.zeros((len(masks), *drawn.shape[1:])), drawn[top]])
        thresholds = np.concatenate([np.zeros(len(masks)), (3 * cores) ** self.power])
        all_drops = np.concatenate([np.zeros(len(masks)), top_drops])
        best = self._tighten(models, thresholds, 0.0, 24, masks=masks, drops=all_drops)
        return models, best

    def _measure(self, models, drops, n_blocks, n_threads, *, entropies=_NONE, cores=_NONE):
        """Write the entropies of models' losses in the first blocks, or the cores of these."""
        kernel.model_entropies(
            self.blocks,
            self.w_relative,
            self.n,
            n_blocks,
            self.t,
            self.squared,
            np.ascontiguousarray(models),
            self.lowest,
            drops,
            n_threads,
            entropies,
            cores,
        )

    def noise_threshold(self, model, start=None):
        """Threshold and noise scale from the losses of a good model."""
        rough = start is None
        if rough:
            core = np.empty(1)
            drop = np.array([self._exact_of(self.n_head * _BLOCK)])
            self._measure(model[None], drop, self.n_head, 1, cores=core)
            start = core[0] / 1.5
        losses = self.losses(model, SCALE_ROWS)
        dof = self.dof * len(losses) / self.n
        exact = dof if self.relative is None else self._exact_of(len(losses))
        return noise_threshold(
            losses, self.relative, start, dof, exact, self.lowest, self.power, rough=rough
        )

    def _exact_of(self, n_rows):
        """Most relative weight among the first rows that a model can fit exactly."""
        return exact_mass(None if self.relative is None else self.relative[:n_rows], self.dof)

    def settle(self, model, threshold):
        """Least squares on the rows within the threshold until they stay the same."""
        model = np.ascontiguousarray(model).copy()
        seen = set()
        for _ in range(100):
            state = kernel.fit_within(
                self.blocks,
                self.w,
                self.n,
                self.t,
                self.squared,
                self.intercept,
                self.alpha,
                threshold,
                self.n_row_threads,
                model,
            )
            if state in seen:
                break
            seen.add(state)
        return model
