"""The sequential rule of RANSAC: which trial wins, when to stop, what was skipped.

Engines (`_linear_engine`, `_generic_engine`) evaluate trials in batches and in parallel; `search`
walks their results in trial order, so that counters, winners and the stopping trial are those of
a loop that looks at one trial after the other, whatever the batches were.

A score is a number that a consensus wants large: ``inliers``, ``msac`` and ``gaussian_uniform`` sum
a gain in [0, 1] over the rows (weights counted), ``lmeds`` is minus the median loss.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

VALID, INVALID_DATA, INVALID_MODEL = 0, 1, 2
SCORINGS = ("inliers", "msac", "gaussian_uniform", "lmeds")

# Gains of the kernel (sem_ransac.h).
COUNT, LINEAR, QUADRATIC, CURVE = 0, 1, 2, 3
_CURVE_KNOTS, _CURVE_END = 2048, 8.0
# A Gaussian whose 99 % quantile is the threshold: half the squared quantile.
_KAPPA = 2.5758293035489004**2 / 2
_NORMAL_BY_MEDIAN = 1.4826  # standard deviation of a Gaussian over its median absolute deviation


class Rule(NamedTuple):
    """How losses become a score, and when the search stops."""

    scoring: str
    threshold: float  # in units of the loss
    power: int  # how the loss grows with the residual: 1, 2, or 0 for the user's own
    max_trials: float
    max_skips: float
    stop_n_inliers: float
    stop_score: float
    stop_probability: float
    local_optimization: bool
    min_samples: int

    @property
    def ties(self):
        """Whether equal scores are told apart by the estimator's own score."""
        return self.scoring == "inliers"


@dataclass
class Candidate:
    """A model, its score, and the weight of the rows within the threshold."""

    model: Any
    score: float
    mass: float
    fit_score: float | None = None  # the estimator's score on its inliers, when someone asked


@dataclass
class Progress:
    """What the search has seen."""

    max_trials: float
    best: Candidate | None = None
    n_trials: int = 0
    n_skips_no_inliers: int = 0
    n_skips_invalid_data: int = 0
    n_skips_invalid_model: int = 0
    n_valid: int = 0  # trials whose sample and model nobody refused
    history: list = field(default_factory=list)

    @property
    def n_skips(self):
        return self.n_skips_no_inliers + self.n_skips_invalid_data + self.n_skips_invalid_model


def dynamic_max_trials(mass, total_mass, min_samples, probability):
    """Number of trials after which a sample without outliers was drawn with `probability`.

    ``log(1 - probability) / log(1 - share**min_samples)``, rounded, with scikit-learn's limits.
    """
    tiny = np.spacing(1)
    numerator = max(tiny, 1 - probability)
    denominator = max(tiny, 1 - (mass / float(total_mass)) ** min_samples)
    if numerator == 1:
        return 0
    if denominator == 1:
        return float("inf")
    return abs(float(np.ceil(np.log(numerator) / np.log(denominator))))


def gain_curve():
    """Gain of a Gaussian inlier against a uniform outlier density, by squared relative loss.

    ``log(1 + exp(kappa (1 - u)))`` is, up to a constant, the log-likelihood of the mixture whose
    densities meet at the threshold (u = 1); here shifted and scaled to run from 1 to 0.
    """
    u = np.linspace(0, _CURVE_END, _CURVE_KNOTS + 1)
    likelihood = np.logaddexp(0, _KAPPA * (1 - u))
    likelihood -= likelihood[-1]
    return np.append(likelihood / likelihood[0], 0.0).astype(np.float32)


def gain_kind(rule):
    """Return the kernel's gain for a rule (``lmeds`` counts the rows below the best median)."""
    if rule.scoring in ("inliers", "lmeds") or rule.threshold <= 0:
        return COUNT
    if rule.scoring == "gaussian_uniform":
        return CURVE
    return QUADRATIC if rule.power == 1 else LINEAR


def gains(losses, rule):
    """Gain of each row, in numpy: what the compiled kernel does for linear models."""
    kind = gain_kind(rule)
    if kind == COUNT:
        return (losses <= rule.threshold).astype(np.float64)
    relative = losses / rule.threshold
    if kind == LINEAR:
        return np.maximum(1 - relative, 0)
    squared = relative**2 if rule.power == 1 else relative
    if kind == QUADRATIC:
        return np.maximum(1 - squared, 0)
    return np.interp(
        squared, np.linspace(0, _CURVE_END, _CURVE_KNOTS + 1), gain_curve()[:-1], right=0
    )


def weighted_median(values, weights=None):
    """Median of `values`; integer weights count as repetitions."""
    if weights is None:  # as np.median, without its look for NaN
        part, middle = np.array(values), len(values) // 2
        part.partition(middle)
        upper = float(part[middle])
        return upper if len(part) % 2 else (float(part[:middle].max()) + upper) / 2
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    half = cumulative[-1] / 2
    at = min(int(np.searchsorted(cumulative, half)), len(order) - 1)
    if cumulative[at] == half and at + 1 < len(order):
        return float((values[order[at]] + values[order[at + 1]]) / 2)
    return float(values[order[at]])


def exact_mass(relative, dof):
    """Most weight that a model of `dof` coefficients can fit exactly: that of the heaviest rows.

    `relative` weights are 1 on average; None: all 1. What is fitted exactly says nothing about noise.
    """
    if relative is None or len(relative) <= dof:
        return float(dof if relative is None else relative.sum())
    return float(np.partition(relative, len(relative) - dof)[len(relative) - dof :].sum())


def search(engine, rule, start=None, on_trial=None):
    """Run trials until a stopping rule holds, and return the `Progress`.

    `start` is a candidate known beforehand (from the deterministic starts of the local
    optimisation); it must be beaten. `on_trial(progress)` may return True to stop.
    """
    progress = Progress(max_trials=rule.max_trials)
    if start is not None:
        _accept(progress, start, engine, rule)
        progress.max_trials = min(rule.max_trials, max(progress.max_trials, 1))
        if rule.stop_n_inliers <= start.mass or _reaches_score(engine, start, rule):
            progress.max_trials = min(rule.max_trials, 1)
    stop = False
    while progress.n_trials < progress.max_trials and not stop:
        first = progress.n_trials
        wanted = engine.batch_size(first, progress.best is not None)
        count = int(min(wanted, progress.max_trials - first))
        best_score = progress.best.score if progress.best else None
        status, scores = engine.evaluate(first, count, best_score)
        i = 0
        while i < count and not stop and progress.n_trials < progress.max_trials:
            dropped = 0
            if on_trial is None:
                while i < count and scores[i] == -np.inf and status[i] == VALID:
                    dropped, i = dropped + 1, i + 1
            if dropped and _count_dropped(progress, rule, dropped):
                continue
            i -= dropped
            stop = _step(progress, engine, rule, i, status[i], scores[i])
            progress.history.append(progress.best.score if progress.best else np.nan)
            if on_trial is not None and on_trial(progress):
                stop = True
            i += 1
    return progress


def _count_dropped(progress, rule, count):
    """Count trials in a row that cannot win; False when a rule may stop the search among them."""
    room = min(progress.max_trials - progress.n_trials, rule.max_skips - progress.n_skips)
    if count > room:
        return False
    progress.n_trials += count
    progress.n_valid += count
    progress.n_skips_no_inliers += count
    progress.history.extend([progress.best.score if progress.best else np.nan] * count)
    return True


def _step(progress, engine, rule, i, status, score):
    """Count trial `i` of the batch, take it over when it wins; return whether to stop."""
    progress.n_trials += 1
    if progress.n_skips > rule.max_skips:
        return True
    if status == INVALID_DATA:
        progress.n_skips_invalid_data += 1
        return False
    if status == INVALID_MODEL:
        progress.n_skips_invalid_model += 1
        return False
    best = progress.best
    progress.n_valid += 1
    no_inliers = score == -np.inf or (score <= 0 and rule.scoring != "lmeds")
    if no_inliers or (best is not None and score < best.score):
        progress.n_skips_no_inliers += 1
        return False
    if best is not None and score == best.score and not rule.ties:
        return False
    candidate = engine.candidate(i, score)
    if best is not None and score == best.score:
        for one in (candidate, best):
            if one.fit_score is None:
                one.fit_score = engine.fit_score(one)
        if candidate.fit_score < best.fit_score:
            return False
    elif rule.local_optimization:
        candidate = engine.improve(candidate)
    _accept(progress, candidate, engine, rule)
    return bool(candidate.mass >= rule.stop_n_inliers or _reaches_score(engine, candidate, rule))


def _accept(progress, candidate, engine, rule):
    progress.best = candidate
    needed = dynamic_max_trials(
        candidate.mass, engine.total_mass, rule.min_samples, rule.stop_probability
    )
    progress.max_trials = min(progress.max_trials, needed)


def _reaches_score(engine, candidate, rule):
    if rule.stop_score == np.inf:
        return False
    if candidate.fit_score is None:
        candidate.fit_score = engine.fit_score(candidate)
    return candidate.fit_score >= rule.stop_score


class Outcome(NamedTuple):
    """What a whole search found; `inliers` is None when nothing was."""

    progress: Progress
    threshold: float
    inliers: np.ndarray | None  # bool, one for each distinct row


def _settled(engine, model, threshold, mass):
    """Let the inliers come to rest; keep the model when that loses more than half of them.

    Rounding empties a consensus of zero width, and a few rows fitted exactly ask for ever less.
    """
    settled = engine.settle(model, threshold)
    mass_settled = engine.mass(engine.inliers(settled, threshold))
    if mass_settled >= max(mass / 2, min(mass, engine.unit * (engine.exact + 1))):
        return settled, mass_settled
    return model, mass


def find_consensus(engine, rule, sampling, *, estimate_noise, deterministic, on_trial=None):
    """Settle the threshold, search, and let the winner's inliers come to rest.

    `estimate_noise`: take the threshold from the residuals of the model that describes them in
    fewest bits, and once more at the end. `deterministic`: also try models that no trial drew.
    """
    engine.prepare(rule, sampling)
    deterministic = deterministic and rule.local_optimization
    start, scale = None, None
    if rule.max_trials > 0 and (estimate_noise or deterministic):
        models, entropies = engine.pilot(deterministic=deterministic)
        estimate_noise = estimate_noise and len(models) > 0
        if estimate_noise:
            leader = models[int(np.argmin(entropies))]
            threshold, scale = engine.noise_threshold(leader)
            rule = rule._replace(threshold=threshold)
            engine.prepare(rule, sampling)
        if deterministic:
            start = engine.start(models, entropies, known=estimate_noise)
    progress = search(engine, rule, start, on_trial)
    if progress.best is None or progress.n_valid == 0:
        return Outcome(progress, rule.threshold, None)
    best, threshold = progress.best, rule.threshold
    model = best.model
    if estimate_noise and rule.scoring == "lmeds":
        # The winner's own median says more about it than the model that the threshold came from.
        median = (-best.score) ** (0.5 if rule.power == 2 else 1)
        threshold, scale = engine.noise_threshold(model, _NORMAL_BY_MEDIAN * median)
    if rule.local_optimization:
        model, mass = _settled(engine, model, threshold, best.mass)
        for _ in range(engine.n_rescalings if estimate_noise else 0):
            proposed, scale = engine.noise_threshold(model, scale)
            if abs(proposed - threshold) <= 1e-3 * threshold:
                break
            previous, model_before = mass, model
            model, mass = _settled(engine, model, proposed, mass)
            if model is model_before and mass == previous and proposed < threshold:
                break
            threshold = proposed
    inliers = engine.inliers(model, threshold)
    return Outcome(progress, threshold, inliers if inliers.any() else None)
