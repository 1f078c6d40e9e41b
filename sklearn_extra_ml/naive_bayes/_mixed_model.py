"""Statistics, parameters and log-densities of columns of different kinds.

Three groups of columns share a kernel each: quadratic log-densities (Gaussian, and log-normal after
a logarithm), linear ones (Bernoulli, Poisson, exponential, multinomial), and tables of categories.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln
from sklearn.utils import assert_all_finite

from ._category_counts import CategoryCounts, add_codes, category_log_prob
from ._chunks import chunks_of
from ._discrete import safe_log
from ._forms import CategoryTable, GaussianForm, LinearForm
from ._gaussian_nb import read_moments
from ._mixed_columns import encode, in_order, learn_categories, number_block
from ._statistics import Moments, Sums, add_moments, add_sums, copied

__all__ = ["Groups", "MixedForm", "MixedStatistics", "learn", "read"]

SMALLEST_RATE = 1e-200  # a column without any count has rate 0, of which there is no logarithm


class Groups(NamedTuple):
    """Positions of the columns of each group."""

    quadratic: np.ndarray
    linear: np.ndarray
    categorical: np.ndarray

    @classmethod
    def of(cls, kinds):
        quadratic = np.isin(kinds, ["gaussian", "lognormal"])
        categorical = kinds == "categorical"
        return cls(
            *(np.flatnonzero(m) for m in (quadratic, ~(quadratic | categorical), categorical))
        )


class MixedStatistics(NamedTuple):
    """Raw statistics of each group; `categories` is a list of sorted lists, one a column."""

    moments: Moments
    sums: Sums
    counts: CategoryCounts
    categories: list

    @classmethod
    def zeros(cls, groups, n_classes):
        return cls(
            Moments.zeros(n_classes, len(groups.quadratic)),
            Sums.zeros(n_classes, len(groups.linear)),
            CategoryCounts.zeros(np.zeros(len(groups.categorical)), n_classes),
            [[] for _ in groups.categorical],
        )

    def merged(self, other):
        """The statistics of the rows of both, as a new record."""
        pairs = zip(self.categories, other.categories, strict=True)
        categories = [in_order(set(own) | set(others)) for own, others in pairs]
        counts = _renumbered(self, categories)
        counts.lines[...] += _renumbered(other, categories).lines
        moments, sums = self.moments.merged(other.moments), self.sums.merged(other.sums)
        return MixedStatistics(moments, sums, counts, categories)


class Reader:
    """Chunks of the numeric columns of `X` as the kernels want them."""

    def __init__(self, X, kinds, groups, binarize, missing):
        self.X, self.kinds, self.groups = X, kinds, groups
        self.binarize, self.missing = binarize, missing
        self.quadratic = [(j, X.numbers(j)) for j in groups.quadratic]
        self.linear = [(j, X.numbers(j)) for j in groups.linear]
        self.logged = np.flatnonzero(kinds[groups.quadratic] == "lognormal")
        self.binary = np.flatnonzero(kinds[groups.linear] == "bernoulli")
        self.counted = np.flatnonzero(kinds[groups.linear] == "poisson")

    def _block(self, columns, first, last):
        block = number_block(self.X, columns, self.kinds, first, last)
        if not np.isfinite(block.sum()):
            missing = np.isnan(block).any(axis=0)
            if missing.any() and not self.missing:
                raise _missing_error(self.X, columns[int(missing.argmax())][0])
            assert_all_finite(
                block, allow_nan=self.missing, estimator_name="MixedNB", input_name="X"
            )
        return block

    def quadratic_block(self, first, last):
        """The columns, logarithms where log-normal, and what the change of variable adds."""
        block = self._block(self.quadratic, first, last)
        block[:, self.logged] = np.log(block[:, self.logged])
        return block, -np.nansum(block[:, self.logged], axis=1)

    def linear_block(self, first, last):
        """The columns, 0 and 1 where Bernoulli, and -log x! of the Poisson columns."""
        block = self._block(self.linear, first, last)
        if self.binarize is not None:
            for at in self.binary:
                cells = block[:, at]
                block[:, at] = np.where(np.isnan(cells), np.nan, cells > self.binarize)
        return block, -np.nansum(gammaln(block[:, self.counted] + 1.0), axis=1)


def learn(statistics, reader, codes, weight, n_threads):
    """Return `statistics` and the rows together, as a new record."""
    X, groups, missing = reader.X, reader.groups, reader.missing
    moments, sums = copied(statistics.moments), copied(statistics.sums)
    if missing:
        sums = sums.by_cell()
    for first, last in chunks_of(X):
        of_rows, weights = codes[first:last], weight[first:last]
        if len(groups.quadratic):
            block, _ = reader.quadratic_block(first, last)
            add_moments(moments, block, of_rows, weights, missing, n_threads)
        if len(groups.linear):
            block, _ = reader.linear_block(first, last)
            add_sums(sums, block, of_rows, weights, missing, n_threads)
    counts, categories = statistics.counts, statistics.categories
    if len(groups.categorical):
        counts, categories = _learn_categories(statistics, reader, codes, weight, n_threads)
    return MixedStatistics(moments, sums, counts, categories)


def _learn_categories(statistics, reader, codes, weight, n_threads):
    """Counts in the order of the sorted categories of all batches so far."""
    cells, categories = [], []
    for known, j in zip(statistics.categories, reader.groups.categorical, strict=True):
        found, numbers = learn_categories(reader.X.columns[j], known, weight)
        if not reader.missing and (numbers < 0).any():
            raise _missing_error(reader.X, j)
        categories.append(found)
        cells.append(numbers)
    counts = _renumbered(statistics, categories)
    if counts.lines.size:
        add_codes(counts, np.stack(cells, axis=1), codes, weight, n_threads)
    return counts, categories


def _renumbered(statistics, categories):
    """Return the counts in the order of `categories`, which hold those of `statistics`; a copy."""
    old = statistics.counts
    counts = CategoryCounts.zeros([len(c) for c in categories], old.lines.shape[1])
    for at, (before, now) in enumerate(zip(statistics.categories, categories, strict=True)):
        number = {value: code for code, value in enumerate(now)}
        to = counts.offsets[at] + np.array([number[value] for value in before], dtype=np.intp)
        counts.lines[to] = old.lines[old.offsets[at] : old.offsets[at + 1]]
    return counts


def _missing_error(X, j):
    return ValueError(
        f"Input X contains NaN or another missing value in {X.label(j)}. Allowed: none with "
        "`missing`='error'. Fill the cells, or choose `missing`='ignore'."
    )


# ------------------------------------------------------------------------------ parameters


def read(statistics, factor, kinds, groups, alpha, var_smoothing):
    """Return the parameters of each column, a list of dicts of arrays by class."""
    params = [None] * len(kinds)
    if len(groups.quadratic):
        mean, var, _ = read_moments(statistics.moments, factor, var_smoothing, per_feature=True)
        for at, j in enumerate(groups.quadratic):
            params[j] = {"mean": mean[:, at].copy(), "var": var[:, at].copy()}
    if len(groups.linear):
        total = statistics.sums.total * factor[:, None]
        mass = statistics.sums.by_cell().mass * factor[:, None]
        for at, j in enumerate(groups.linear):
            params[j] = _read_linear(kinds[j], total[:, at], mass[:, at], alpha)
        together = np.flatnonzero(kinds[groups.linear] == "multinomial")
        if together.size:
            log_prob = category_log_prob(total[:, together], alpha)[0]
            for at, j in enumerate(groups.linear[together]):
                params[j] = {"log_prob": log_prob[:, at].copy()}
    for at, j in enumerate(groups.categorical):
        part = statistics.counts.lines[slice(*statistics.counts.offsets[at : at + 2])]
        log_prob, unseen = category_log_prob(part.T * factor[:, None], alpha)
        params[j] = {"log_prob": log_prob, "log_prob_unseen": unseen}
    return params


def _read_linear(kind, total, mass, alpha):
    """Parameters of one column, smoothed by `alpha` rows of each outcome, or of the mean row."""
    if kind == "bernoulli":
        rows, yes = mass + 2 * alpha, total + alpha
        return {"prob": np.where(rows > 0, yes / np.where(rows > 0, rows, 1.0), 0.5)}
    if kind == "multinomial":
        return None
    everything = mass.sum()
    overall = total.sum() / everything if everything > 0 else 1.0
    rows = mass + alpha
    mean = (total + alpha * overall) / np.where(rows > 0, rows, 1.0)
    mean = np.maximum(np.where(rows > 0, mean, overall), SMALLEST_RATE)
    return {"rate": mean if kind == "poisson" else 1.0 / mean}


# -------------------------------------------------------------------------------- densities


class MixedForm:
    """Log-densities of all columns of a row, by group."""

    def __init__(self, reader, params, categories, unseen, n_classes):
        self.reader, self.unseen = reader, unseen
        groups, missing = reader.groups, reader.missing
        self.gaussian = self.linear = self.table = None
        if len(groups.quadratic):
            mean, var = (
                np.stack([params[j][name] for j in groups.quadratic], axis=1)
                for name in ("mean", "var")
            )
            self.gaussian = GaussianForm(mean, var, missing=missing)
        if len(groups.linear):
            forms = [_linear_cell(reader.kinds[j], params[j]) for j in groups.linear]
            present, absent = (np.stack(part, axis=1) for part in zip(*forms, strict=True))
            self.linear = LinearForm(present, absent, missing=missing)
        if len(groups.categorical):
            self.codes = np.stack(
                [self._encode(j, c) for j, c in zip(groups.categorical, categories, strict=True)],
                axis=1,
            )
            nothing = np.zeros(n_classes)
            self.table = CategoryTable(
                [params[j]["log_prob"] for j in groups.categorical],
                [
                    params[j]["log_prob_unseen"] if unseen == "smooth" else nothing
                    for j in groups.categorical
                ],
            )

    def _encode(self, j, categories):
        """Codes of one column; what is missing or unseen is refused where the rules say so."""
        X = self.reader.X
        codes, unseen = encode(X.columns[j], categories)
        if not self.reader.missing and (codes < 0).any():
            raise _missing_error(X, j)
        if unseen and self.unseen == "error":
            raise ValueError(
                f"`X` holds the value {unseen[0]!r} in {X.label(j)}, which `fit` did not see. "
                f"Allowed: the {len(categories)} categories in `categories_`. Correct it, or choose "
                "`unseen`='smooth' or 'ignore'."
            )
        return codes

    def add(self, X, first, last, joint, n_threads):
        rows = last - first
        if self.gaussian is not None:
            block, constant = self.reader.quadratic_block(first, last)
            self.gaussian.add(block, 0, rows, joint, n_threads)
            joint += constant[:, None]
        if self.linear is not None:
            block, constant = self.reader.linear_block(first, last)
            self.linear.add(block, 0, rows, joint, n_threads)
            joint += constant[:, None]
        if self.table is not None:
            self.table.add(self.codes, first, last, joint, n_threads)
        return 0


def _linear_cell(kind, params):
    """What a cell of 1 and a cell of 0 add: the form is linear between and beyond."""
    if kind == "bernoulli":
        return safe_log(params["prob"]), safe_log(1.0 - params["prob"])
    if kind == "poisson":
        return np.log(params["rate"]) - params["rate"], -params["rate"]
    if kind == "exponential":
        return np.log(params["rate"]) - params["rate"], np.log(params["rate"])
    return params["log_prob"], np.zeros_like(params["log_prob"])
