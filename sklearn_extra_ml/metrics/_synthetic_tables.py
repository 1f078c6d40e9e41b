"""Is a synthetic table like the real one? Column by column, pair by pair, and for learning from it."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import check_array

from .._core._categories import missing_as_none
from .._core._validation import validate_params

_N_BINS = 10  # of numbers, where they are paired with categories


class TableSimilarity(NamedTuple):
    """Similarity of two tables, and what it is the mean of."""

    score: float  # mean of `parts`, in [0, 1]; 1 is best
    parts: dict  # name of a column, or pair of names -> similarity; NaN where it is not defined


class SyntheticTrainingScore(NamedTuple):
    """What learners reach on real test rows, trained on synthetic and on real rows."""

    ratio: float  # mean synthetic score over mean real score
    synthetic: np.ndarray  # (n_estimators,): score after training on synthetic rows
    real: np.ndarray  # (n_estimators,): score after training on real rows


class _Column(NamedTuple):
    values: np.ndarray  # float64 with NaN, or objects with None
    numeric: bool


def read_columns(X, name, categorical=()):
    """Return the columns of an array or a frame, by name."""
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        out = {}
        for i, column in enumerate(frame.columns):
            series = frame[:, i]
            numeric = (
                series.dtype.is_numeric() and column not in categorical and i not in categorical
            )
            values = (
                series.cast(nw.Float64).to_numpy() if numeric else missing_as_none(series.to_list())
            )
            out[column] = _Column(values, numeric)
        return out
    X = check_array(X, dtype=None, ensure_all_finite="allow-nan", input_name=name)
    out = {}
    for i in range(X.shape[1]):
        numeric = i not in categorical and X.dtype.kind in "biuf"
        values = X[:, i].astype(np.float64) if numeric else missing_as_none(X[:, i].tolist())
        out[i] = _Column(values, numeric)
    return out


def _two_tables(real, synthetic, categorical_features):
    categorical = () if categorical_features is None else list(categorical_features)
    a = read_columns(real, "real", categorical)
    b = read_columns(synthetic, "synthetic", categorical)
    if list(a) != list(b):
        raise ValueError(
            f"The tables have columns {list(a)} and {list(b)}. Allowed: the same columns in the same "
            "order. Select them first."
        )
    for name in a:
        if a[name].numeric != b[name].numeric:
            raise ValueError(
                f"Column {name!r} holds numbers in one table only. Allowed: the same type in both. "
                "Convert it."
            )
    return a, b


_TABLES = {
    "real": "no_validation",
    "synthetic": "no_validation",
    "categorical_features": ["array-like", None],
}


@validate_params(_TABLES, prefer_skip_nested_validation=True)
def column_shapes(real, synthetic, *, categorical_features=None):
    """How alike the distributions of single columns are.

    Numbers: one minus the largest difference of the two distribution functions (the
    Kolmogorov-Smirnov statistic). Categories: one minus half of the summed differences of
    frequencies (total variation), missing being a category. Missing numbers are left out. It says
    nothing of how columns go together: columns shuffled one by one are perfect.

    Parameters
    ----------
    real : array-like or frame of shape (n_real, n_features)
        Real rows.

    synthetic : array-like or frame of shape (n_synthetic, n_features)
        Synthetic rows, with the same columns.

    categorical_features : array-like of int or str, default=None
        Columns of numbers that are categories. Columns of a frame that hold no numbers always are.

    Returns
    -------
    similarity : TableSimilarity
        ``score`` in [0, 1], the mean, and ``parts`` for each column.

    See Also
    --------
    column_trends : Pairs of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import column_shapes
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> shifted = X + np.array([0, 1])
    >>> {k: round(v, 1) for k, v in column_shapes(X, shifted).parts.items()}
    {0: 1.0, 1: 0.6}
    """
    a, b = _two_tables(real, synthetic, categorical_features)
    parts = {
        name: _ks_complement(a[name].values, b[name].values)
        if a[name].numeric
        else _frequency_overlap([a[name].values], [b[name].values])
        for name in a
    }
    return _similarity(parts)


@validate_params(_TABLES, prefer_skip_nested_validation=True)
def column_trends(real, synthetic, *, categorical_features=None):
    """How alike the dependence of pairs of columns is.

    Two numbers: one minus half of the difference of their correlation coefficients (over rows where
    both are known). Otherwise: one minus half of the summed differences of joint frequencies, numbers
    in 10 bins of equal width over their range in `real`. Of pairs of numbers it sees nothing but the
    correlation: a column that is shifted, or bent dependence, is not noticed.

    Parameters
    ----------
    real, synthetic, categorical_features
        As in `column_shapes`.

    Returns
    -------
    similarity : TableSimilarity
        ``score`` in [0, 1], the mean over pairs, and ``parts`` for each pair. Pairs with a constant
        column have no correlation: NaN, left out of the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import column_trends
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1000)
    >>> real, synthetic = np.c_[x, x], np.c_[x, rng.permutation(x)]
    >>> round(column_trends(real, synthetic).score, 1)
    0.5
    """
    a, b = _two_tables(real, synthetic, categorical_features)
    names = list(a)
    parts = {}
    binned = {name: _binned(a[name], b[name]) for name in names}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if a[one].numeric and a[other].numeric:
                r_real = _correlation(a[one].values, a[other].values)
                r_synthetic = _correlation(b[one].values, b[other].values)
                parts[one, other] = 1 - abs(r_real - r_synthetic) / 2
                continue
            parts[one, other] = _frequency_overlap(
                [binned[one][0], binned[other][0]], [binned[one][1], binned[other][1]]
            )
    return _similarity(parts)


def _similarity(parts):
    values = np.array(list(parts.values()), dtype=np.float64)
    known = values[~np.isnan(values)]
    return TableSimilarity(float(known.mean()) if len(known) else np.nan, parts)


def _ks_complement(x, y):
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    if not len(x) or not len(y):
        return 1.0 if len(x) == len(y) else 0.0
    at = np.concatenate((x, y))
    below_x = np.searchsorted(x, at, side="right") / len(x)
    below_y = np.searchsorted(y, at, side="right") / len(y)
    return float(1 - np.abs(below_x - below_y).max())


def _frequency_overlap(real, synthetic):
    """Return 1 - total variation between the joint frequencies of columns of objects."""

    def frequencies(columns):
        counts = {}
        for key in zip(*(column.tolist() for column in columns), strict=True):
            counts[key] = counts.get(key, 0) + 1
        return {key: count / len(columns[0]) for key, count in counts.items()}

    p, q = frequencies(real), frequencies(synthetic)
    apart = sum(abs(p.get(key, 0) - q.get(key, 0)) for key in p.keys() | q.keys())
    return max(0.0, 1 - apart / 2)


def _binned(real, synthetic):
    """Return both columns as objects, numbers as bins of the real range."""
    if not real.numeric:
        return real.values, synthetic.values
    known = real.values[~np.isnan(real.values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    inner = np.linspace(low, high, _N_BINS + 1)[1:-1]

    def bins(values):
        index = np.searchsorted(inner, values, side="right").astype(object)
        index[np.isnan(values)] = None
        return index

    return bins(real.values), bins(synthetic.values)


def _correlation(x, y):
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return np.nan
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _default_estimators():
    return (
        make_pipeline(StandardScaler(), SVC()),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        RandomForestClassifier(200, random_state=0),
    )


@validate_params(
    {
        "X_synthetic": ["array-like"],
        "y_synthetic": ["array-like"],
        "X_train": ["array-like"],
        "y_train": ["array-like"],
        "X_test": ["array-like"],
        "y_test": ["array-like"],
        "estimators": [list, tuple, None],
        "scoring": [str, callable],
    },
    prefer_skip_nested_validation=True,
)
def train_on_synthetic_score(
    X_synthetic,
    y_synthetic,
    X_train,
    y_train,
    X_test,
    y_test,
    *,
    estimators=None,
    scoring="f1_macro",
):
    """Can one learn from synthetic rows what real ones teach?

    Each estimator is trained once on the synthetic and once on the real training rows, and both are
    scored on real test rows that no generator has seen ("train on synthetic, test on real"). It sees
    what the targets depend on, and nothing else; repeated training rows are perfect (see
    :func:`distance_to_closest_record`).

    Parameters
    ----------
    X_synthetic, y_synthetic : array-like
        Synthetic rows and targets.

    X_train, y_train : array-like
        The real rows that the generator was fitted on.

    X_test, y_test : array-like
        Other real rows.

    estimators : sequence of estimators, default=None
        None: a support vector classifier, logistic regression (both on scaled columns) and a random
        forest. They are cloned.

    scoring : str or callable, default="f1_macro"
        As in `sklearn.metrics.get_scorer`.

    Returns
    -------
    score : SyntheticTrainingScore
        ``ratio`` (1: synthetic rows are as good as real ones), ``synthetic`` and ``real``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_extra_ml.metrics import train_on_synthetic_score
    >>> X, y = load_iris(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    >>> train_on_synthetic_score(X, y, X, y, X_test, y_test).ratio
    1.0
    """
    estimators = _default_estimators() if estimators is None else estimators
    scorer = get_scorer(scoring)

    def score(estimator, X, y):
        return scorer(clone(estimator).fit(X, y), X_test, y_test)

    synthetic = np.array([score(e, X_synthetic, y_synthetic) for e in estimators])
    real = np.array([score(e, X_train, y_train) for e in estimators])
    return SyntheticTrainingScore(float(synthetic.mean() / real.mean()), synthetic, real)
