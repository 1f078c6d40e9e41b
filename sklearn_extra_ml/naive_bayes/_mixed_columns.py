"""Columns of different kinds: which kind each has, and how its cells become numbers.

A frame is read column by column and never turned into one array of objects. Columns with numbers
for cells go to the kernels as small matrices, one chunk of rows at a time; categories as codes.
"""

import numpy as np
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from .._core._categories import in_order, is_missing
from .._core._validation import bad_value

__all__ = ["KINDS", "Columns", "check_columns", "encode", "learn_categories", "resolve_kinds"]

KINDS = (
    "gaussian",
    "lognormal",
    "bernoulli",
    "poisson",
    "exponential",
    "multinomial",
    "categorical",
)

# Smallest value that a kind allows, and whether that value itself is allowed.
SUPPORT = {
    "lognormal": (0.0, False),
    "poisson": (0.0, True),
    "exponential": (0.0, True),
    "multinomial": (0.0, True),
}

# Beginnings of dtypes' names in pandas and polars.
KIND_OF_DTYPE = {
    "bool": "bernoulli",
    "category": "categorical",
    "categorical": "categorical",
    "enum": "categorical",
    "object": "categorical",
    "str": "categorical",
    "utf8": "categorical",
    "int": "gaussian",
    "uint": "gaussian",
    "float": "gaussian",
    "double": "gaussian",
    "decimal": "gaussian",
}


class Columns:
    """Rows as a list of columns (arrays, or series of a frame)."""

    def __init__(self, columns, names, dtypes, n_rows):
        self.columns, self.names, self.dtypes = columns, names, dtypes
        self.shape = n_rows, len(columns)

    def numbers(self, j):
        """Column j as float64, NaN for what is missing."""
        column = self.columns[j]
        if isinstance(column, np.ndarray):
            return column.astype(np.float64, copy=False)
        if hasattr(column, "isna"):  # pandas
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(column.to_numpy(), dtype=np.float64)  # polars

    def label(self, j):
        """How an error names column j."""
        return f"column {j}" if self.names is None else f"column {self.names[j]!r}"


def is_frame(X):
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def _check_y(estimator, y):
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is "
            "None."
        )
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "fO":
        assert_all_finite(y, input_name="y")
    return y


def check_columns(estimator, X, y, *, reset):
    """Return the validated `Columns`, with y if that is given (not "no_validation")."""
    with_y = not (isinstance(y, str) and y == "no_validation")
    if is_frame(X):
        if with_y:
            y = _check_y(estimator, y)
            check_consistent_length(X, y)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        names = list(X.columns)
        dtypes = [str(dtype).lower() for dtype in X.dtypes]
        columns = [X[name] for name in names]
        n_rows = X.shape[0]
        if n_rows == 0 or not names:
            raise ValueError(
                f"Found array with {n_rows} sample(s) and {len(names)} feature(s) (shape={X.shape}) "
                f"while a minimum of 1 is required by {type(estimator).__name__}."
            )
        found = Columns(columns, names, dtypes, n_rows)
        return (found, y) if with_y else found
    raw = np.asarray(X).dtype.kind in "OUS" if not hasattr(X, "nnz") else False
    X = validate_data(
        estimator,
        X,
        y,
        dtype=None if raw else [np.float64, np.float32],
        ensure_all_finite=False,
        reset=reset,
    )
    if with_y:
        X, y = X
    columns = [X[:, j] for j in range(X.shape[1])]
    found = Columns(columns, None, [None] * X.shape[1], X.shape[0])
    return (found, y) if with_y else found


# ------------------------------------------------------------------------------------ kinds


def kind_of_dtype(dtype, label):
    """The kind that a column of a frame has by its dtype; any column of an array is Gaussian."""
    if dtype is None:
        return "gaussian"
    for beginning, kind in KIND_OF_DTYPE.items():
        if dtype.startswith(beginning):
            return kind
    raise ValueError(
        f"`kinds`='auto' knows no kind for {label} of dtype {dtype}. Allowed: numbers, booleans, "
        "strings and categories. Name its kind in `kinds`, or convert or drop the column."
    )


def resolve_kinds(kinds, columns):
    """Return the kind of each column, an array of strings."""
    n_features = columns.shape[1]
    if isinstance(kinds, str):
        kinds = [kinds] * n_features
    elif isinstance(kinds, dict):
        kinds = _kinds_from_dict(kinds, columns)
    kinds = list(kinds)
    if len(kinds) != n_features:
        raise bad_value(
            "kinds",
            kinds,
            f"has {len(kinds)} entries for {n_features} features",
            "one for each feature, one for all, or a dict",
            "Name the columns in a dict.",
        )
    resolved = []
    for j, kind in enumerate(kinds):
        if kind == "auto":
            kind = kind_of_dtype(columns.dtypes[j], columns.label(j))
        if not isinstance(kind, str) or kind not in KINDS:
            raise bad_value(
                "kinds", kind, f"is no kind ({columns.label(j)})", f"auto, {', '.join(KINDS)}", ""
            )
        resolved.append(str(kind))
    return np.array(resolved)


def _kinds_from_dict(kinds, columns):
    """Kinds by name or position; "auto" for columns that are not named."""
    n_features = columns.shape[1]
    resolved = ["auto"] * n_features
    names = columns.names or []
    for key, kind in kinds.items():
        if key in names:
            at = names.index(key)
        elif isinstance(key, int | np.integer) and -n_features <= key < n_features:
            at = int(key)
        else:
            raise bad_value(
                "kinds",
                kinds,
                f"names the column {key!r}, which X does not have",
                f"names among {names}" if names else f"positions below {n_features}",
                "Correct it.",
            )
        resolved[at] = kind
    return resolved


# ------------------------------------------------------------------------------- categories


def _factorize(column):
    """Number of each cell's value in a list of distinct ones, -1 for a missing cell."""
    if hasattr(column, "factorize"):  # pandas
        codes, values = column.factorize()
        return codes, list(values)
    if isinstance(column, np.ndarray) and column.dtype.kind in "biufUS":
        values, codes = np.unique(column, return_inverse=True)
        if values.dtype.kind == "f" and values.size and np.isnan(values[-1]):
            codes = np.where(codes == values.size - 1, -1, codes)
            values = values[:-1]
        return codes, values.tolist()
    number, values = {}, []
    cells = column.tolist() if isinstance(column, np.ndarray) else column.to_list()
    codes = np.empty(len(cells), dtype=np.int64)
    for i, value in enumerate(cells):
        code = number.get(value)
        if code is None:
            code = -1 if is_missing(value) else len(values)
            if code >= 0:
                values.append(value)
            number[value] = code
        codes[i] = code
    return codes, values


def learn_categories(column, known, weight):
    """Return the sorted categories of `known` and of a column together, and the column's codes.

    Values that only rows of weight 0 have are not learnt; they get a number past the last.
    """
    codes, values = _factorize(column)
    found = set(values)
    if weight.size and not weight.all():
        used = np.unique(codes[weight > 0])
        found = {values[code] for code in used if code >= 0}
    categories = in_order(set(known) | found)
    return categories, _renumber(codes, values, categories)


def encode(column, categories):
    """Codes of a column, -1 for a missing cell, len(categories) for an unseen value.

    Returns the codes and the list of unseen values.
    """
    codes, values = _factorize(column)
    known = set(categories)
    return _renumber(codes, values, categories), [v for v in values if v not in known]


def _renumber(codes, values, categories):
    number = {value: code for code, value in enumerate(categories)}
    to = np.array([number.get(value, len(categories)) for value in values] + [-1], dtype=np.int32)
    return to[codes]


# --------------------------------------------------------------------------- chunks of numbers


def number_block(X, columns, kinds, first, last):
    """Rows first to last of some columns as a C-contiguous matrix of doubles, checked.

    `columns` are arrays of numbers; values outside of a kind's support are refused.
    """
    block = np.empty((last - first, len(columns)))
    for at, (j, numbers) in enumerate(columns):
        cells = numbers[first:last]
        block[:, at] = cells
        low, closed = SUPPORT.get(kinds[j], (-np.inf, True))
        below = (cells < low) if closed else (cells <= low)
        if below.any():
            value = cells[below][0]
            raise ValueError(
                f"Negative values in data passed to MixedNB: {X.label(j)} holds {value}, and its "
                f"kind is {str(kinds[j])!r}. Allowed: values {'of at least' if closed else 'above'} 0. "
                "Choose another kind for the column, or correct it."
            )
    return block
