"""Tables as matrices for a network, and back: mixed column types, missing values, same dtypes out.

`TableEncoder` maps an array or a frame to a float matrix with about unit variance in each column:

=====================  ==========================================================================
column                 becomes
=====================  ==========================================================================
numbers                one column, scaled; NaN where missing. Constant columns are left out, and
                       come back as their constant
numbers, some missing  besides, one column that tells which are missing
categories, booleans   one column a level ("onehot"), or a fixed code in few dimensions
                       ("embedding"); missing is a level of its own
=====================  ==========================================================================

Laid out as all numbers, then all indicators of missing values, then the categories. Frames (pandas,
polars, pyarrow) come back with the same columns and dtypes. All state is numbers, strings, lists and
arrays, so that it can be stored without pickle.
"""

from numbers import Integral

import narwhals.stable.v2 as nw
import numpy as np

from .._core._categories import in_order, is_missing, missing_as_none
from .._core._validation import bad_value
from ._normal_scores import NormalScores, piles_up
from ._steps import find_steps
from ._storage import storable

_MAX_DECIMALS = 6
_CLEAR = 0.01  # rounding error, in units of the last decimal, up to which decimals are believed


@storable
class TableEncoder:
    """Invertible map between a table and a matrix of about unit variance.

    Parameters
    ----------
    scaling : {"column", "global", "quantile", "auto"} or False, default="column"
        Numbers: centre and scale each column; centre columns and divide by one scale; map each
        column's quantiles to a normal distribution (`NormalScores`); or leave them as they are.
        "auto": "quantile" for columns that pile up at one value, "column" for the others.

    categorical_features : "from_dtype" or array-like of int, bool or str, default="from_dtype"
        Columns that hold categories. From the dtype: strings, objects, booleans and categories of
        a frame; no column of an array.

    categorical_encoding : {"onehot", "embedding"}, default="onehot"
        "embedding": a random, fixed code of about 2 log2(levels) numbers, for many levels.

    complete : bool, default=False
        Every column is kept, constant ones too, so that a network finds it in its place (images).
        Nothing may be missing, except where it is to be imputed.

    Attributes
    ----------
    n_features_in : int
        Columns of the table.

    n_encoded : int
        Columns of the matrix.

    numeric : ndarray of int
        Positions of the numeric columns in the table.

    kept : ndarray of int
        Positions among them of the columns that are not constant, in the order of the matrix.

    gappy : ndarray of int
        Positions in `kept` of the columns with missing values.

    categorical : list of dict
        For each column of categories its ``position``, ``levels`` (None: missing), ``codes`` of
        shape (n_levels, n_dimensions) and ``columns`` (start, stop) in the matrix.

    decimals : ndarray of int
        For each numeric column the fewest decimals that write all its values; -1: more than 6.

    steps : list of Steps or None
        For each numeric column of more decimals: what it can hold, None for a continuum.

    scores : list of NormalScores or None
        For each numeric column.

    frame : dict or None
        Backend, names and dtypes of the frame; None for arrays.

    array_dtype : str or None
        Of an array; None for frames. Numbers come back as float64.
    """

    def __init__(
        self,
        scaling="column",
        categorical_features="from_dtype",
        categorical_encoding="onehot",
        complete=False,
    ):
        self.scaling = scaling
        self.categorical_features = categorical_features
        self.categorical_encoding = categorical_encoding
        self.complete = complete

    # --- fit -----------------------------------------------------------------------------------------

    def fit(self, X):
        """Learn columns, scales and levels of a 2-d array or a frame; infinity is refused."""
        names, columns, self.frame = _open_table(X)
        self.n_features_in = len(columns)
        self.array_dtype = None if self.frame else np.asarray(X).dtype.str
        chosen = _positions(self.categorical_features, names, columns, self.frame)
        rest = [i for i in range(len(columns)) if i not in chosen]
        self.numeric = np.array(rest, dtype=np.intp)
        values = _numbers(columns, self.numeric, names)
        self._fit_numbers(values)
        gaps = np.isnan(values[:, self.kept]).any(axis=0)
        self.gappy = np.flatnonzero(gaps & (not self.complete))
        share = np.isnan(values[:, self.kept[self.gappy]]).mean(axis=0)
        self.gap_mean, self.gap_scale = share, np.sqrt(np.maximum(share * (1 - share), 1e-6))
        stop = len(self.kept) + len(self.gappy)
        self.categorical = []
        for position in sorted(chosen):
            levels, index = _levels(columns[position])
            codes = _codes(self.categorical_encoding, np.bincount(index), position)
            column = {"position": position, "levels": levels, "codes": codes}
            column["columns"] = (stop, stop + codes.shape[1])
            stop += codes.shape[1]
            self.categorical.append(column)
        self.n_encoded = max(stop, 1)  # a column of zeros, if there is nothing to tell
        return self

    def _fit_numbers(self, values):
        """Learn range, centre and scale of the numeric columns."""
        empty = np.isnan(values).all(axis=0)
        filled = np.where(empty, 0.0, values)  # a column that is missing throughout
        self.lowest, self.highest = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
        present = [column[~np.isnan(column)] for column in filled.T]
        self.decimals = np.array([_decimals(column) for column in present], dtype=np.intp)
        self.steps = [
            find_steps(column) if decimals < 0 else None
            for column, decimals in zip(present, self.decimals, strict=True)
        ]
        middle = self.lowest / 2 + self.highest / 2
        mean = middle + np.nanmean(filled - middle, axis=0)
        std = np.nanstd(filled - middle, axis=0)
        varies = (self.highest > self.lowest) & (std > 1e-12 * np.abs(middle)) & ~empty
        kept = varies | np.isnan(values).any(axis=0) & ~empty
        self.kept = np.flatnonzero(kept | self.complete)
        self.center, self.scale = mean, np.where(varies, std, 1.0)
        if self.scaling == "global":
            var = np.where(varies, std**2, 0.0)[varies | self.complete]
            self.scale = np.full_like(std, np.sqrt(np.mean(var)) if varies.any() else 1.0)
        elif self.scaling is False:
            self.center, self.scale = np.zeros_like(mean), np.ones_like(std)
        self.scores = [
            NormalScores(1 / self.scale[j], rounded=self._rounds(j)).fit(column)
            if varies[j] and self._wants_scores(column)
            else None
            for j, column in enumerate(present)
        ]

    def _rounds(self, j):
        return bool(self.decimals[j] >= 0) or self.steps[j] is not None

    def _wants_scores(self, column):
        return self.scaling == "quantile" or (self.scaling == "auto" and piles_up(column))

    # --- there ---------------------------------------------------------------------------------------

    def transform(self, X, *, to_impute=False):
        """Return the float64 matrix (n, n_encoded) of a table.

        With `to_impute` every missing entry is NaN, of categories too, and the indicators say that
        nothing is missing: what is drawn in place of NaN is then a value.
        """
        names, columns, _ = _open_table(X)
        return self._encode(names, columns, to_impute)

    def transform_conditions(self, conditions, n_rows):
        """Return the matrix to impute of rows of which some columns are given.

        Parameters
        ----------
        conditions : dict
            Name or position of a column -> its value, or `n_rows` values.

        Returns
        -------
        Z : ndarray of shape (n_rows, n_encoded)
        given : dict
            Position -> values, for `inverse_transform`.
        """
        names = self._names()
        columns = [np.full(n_rows, np.nan) for _ in range(self.n_features_in)]
        given = {}
        for position, value in conditions.items():
            (found,) = _positions([position], names, columns, None, "conditions")
            value = nw.from_native(value, series_only=True, pass_through=True)
            if np.ndim(value) == 0 and not isinstance(value, nw.Series):
                value = [value] * n_rows
            column = _plain(value)
            if len(column) != n_rows:
                raise bad_value(
                    "conditions",
                    position,
                    f"has {len(column)} values",
                    f"one value, or {n_rows}",
                    "Pass a value for each row to draw.",
                )
            if found in self.numeric:
                column = column.astype(np.float64)
            columns[found] = given[found] = column
        return self._encode(names, columns, True), given

    def _names(self):
        if self.frame is not None:
            return self.frame["names"]
        return [f"x{i}" for i in range(self.n_features_in)]

    def _encode(self, names, columns, to_impute):
        if len(columns) != self.n_features_in:
            raise ValueError(
                f"X has {len(columns)} features, but {self.n_features_in} features were fitted."
            )
        values = _numbers(columns, self.numeric, names)[:, self.kept]
        out = np.zeros((len(values), self.n_encoded))
        n = len(self.kept)
        out[:, :n] = self._scale(values)
        missing = np.isnan(values)
        if not to_impute:
            self._refuse_new_gaps(missing, names)
        gaps = np.zeros((len(values), len(self.gappy))) if to_impute else missing[:, self.gappy]
        out[:, n : n + len(self.gappy)] = (gaps - self.gap_mean) / self.gap_scale
        for column in self.categorical:
            start, stop = column["columns"]
            name = names[column["position"]]
            index = _find_levels(columns[column["position"]], column["levels"], name, to_impute)
            out[:, start:stop] = np.where(index[:, None] < 0, np.nan, column["codes"][index])
        return out

    def _refuse_new_gaps(self, missing, names):
        bad = missing.any(axis=0)
        bad[self.gappy] = False
        if bad.any():
            name = names[self.numeric[self.kept[np.flatnonzero(bad)[0]]]]
            if self.complete:
                raise ValueError(
                    f"Input X contains NaN in column {name!r}. Images must be complete. Fill the "
                    "pixels, by `impute` of a fitted model for instance."
                )
            raise ValueError(
                f"Input X contains NaN in column {name!r}, which had no missing values when it was "
                "fitted. Fill them first, with `impute` for instance."
            )

    def _scale(self, values):
        out = (values - self.center[self.kept]) / self.scale[self.kept]
        for j, column in enumerate(self.kept):
            if self.scores[column] is not None:
                out[:, j] = self.scores[column].encode(values[:, j])
        return out

    def log_jacobian(self, X):
        """Return, for each row, the log of the factor by which the numbers' volume grows.

        The log-density of a row in units of the table is that of its image plus this.
        """
        names, columns, _ = _open_table(X)
        total = np.full(len(columns[0]), -np.log(self.scale[self.kept]).sum())
        values = _numbers(columns, self.numeric, names)[:, self.kept]
        for j, column in enumerate(self.kept):
            if self.scores[column] is not None:
                slopes = self.scores[column].slopes(values[:, j])
                total += np.log(slopes * self.scale[column])
        return total

    # --- and back ------------------------------------------------------------------------------------

    def inverse_transform(
        self, Z, *, clip=False, rounded=False, missing=True, given=None, index=None
    ):
        """Return the table of a matrix: an array for arrays, else a frame like the fitted one.

        Parameters
        ----------
        Z : ndarray of shape (n, n_encoded)
        clip : bool
            Keep numbers within the range that was fitted.
        rounded : bool
            Round numbers to the decimals that their column had, or to what else it can hold.
        missing : bool
            Whether entries may be missing, where indicators say so.
        given : dict, default=None
            Position of a column -> values that replace its own, but where they are missing.
        index : pandas index, default=None
            Of the frame.
        """
        Z = np.asarray(Z, dtype=np.float64)
        n = len(self.kept)
        values = np.empty((len(Z), len(self.numeric)))
        values[:] = self.center
        constant = self.highest == self.lowest
        values[:, constant] = self.lowest[constant]
        values[:, self.kept] = Z[:, :n] * self.scale[self.kept] + self.center[self.kept]
        for j, column in enumerate(self.kept):
            if self.scores[column] is not None:
                values[:, column] = self.scores[column].decode(Z[:, j])
        if clip:
            np.clip(values, self.lowest, self.highest, out=values)
        for column in filter(self._rounds, range(len(self.numeric))) if rounded else ():
            if self.steps[column] is None:
                values[:, column] = np.round(values[:, column], self.decimals[column])
            else:
                values[:, column] = self.steps[column].round(values[:, column])
        if missing:
            gaps = Z[:, n : n + len(self.gappy)] * self.gap_scale + self.gap_mean > 0.5
            rows, which = np.nonzero(gaps)
            values[rows, self.kept[self.gappy[which]]] = np.nan
        columns = dict(zip(self.numeric, values.T, strict=True))
        for column in self.categorical:
            columns[column["position"]] = _decode(Z, column, missing)
        for position, known in (given or {}).items():
            gaps = np.array([is_missing(value) for value in known], dtype=bool)
            column = columns[position].astype(known.dtype if known.dtype == object else np.float64)
            columns[position] = np.where(gaps, column, known)
        ordered = [columns[i] for i in range(self.n_features_in)]
        if self.frame is not None:
            return _build_frame(ordered, self.frame, index)
        kind = object if np.dtype(self.array_dtype).kind == "O" else np.float64
        return np.stack([column.astype(kind) for column in ordered], axis=1)

    def observed(self, X):
        """Return the columns of a table for `given`: position -> values, missing where they are."""
        _, columns, _ = _open_table(X)
        numeric = set(self.numeric.tolist())
        return {
            i: _numbers(columns, [i], self._names())[:, 0] if i in numeric else _plain(column)
            for i, column in enumerate(columns)
        }


# --- opening and building tables -----------------------------------------------------------------


def is_frame(X):
    """Whether `X` is a frame that narwhals knows."""
    return nw.dependencies.is_into_dataframe(X)


def _open_table(X):
    """Return names, columns (1-d arrays; frames: series) and what a frame must be rebuilt with."""
    if not is_frame(X):
        X = np.asarray(X)
        return [f"x{i}" for i in range(X.shape[1])], list(X.T), None
    frame = nw.from_native(X, eager_only=True)
    columns = [frame[:, i] for i in range(frame.shape[1])]
    description = {
        "backend": str(frame.implementation),
        "names": list(frame.columns),
        "dtypes": [_describe(column) for column in columns],
    }
    return list(frame.columns), columns, description


def _describe(column):
    """Return kind, dtype name and categories of a series as plain values."""
    dtype = column.dtype
    description = {"kind": _kind(dtype), "dtype": str(dtype), "levels": None, "ordered": False}
    native = column.to_native()
    if column.implementation.is_pandas():
        description["dtype"] = str(native.dtype)
        if description["dtype"] == "category":
            description["levels"] = native.cat.categories.tolist()
            description["ordered"] = bool(native.cat.ordered)
    elif isinstance(dtype, nw.Enum):
        description["dtype"], description["levels"] = "Enum", list(dtype.categories)
    if description["kind"] is None:
        raise TypeError(
            f"Column {column.name!r} has dtype {description['dtype']}. Allowed: numbers, booleans, "
            "strings and categories. Convert it, dates to numbers for instance."
        )
    return description


def _kind(dtype):
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "boolean"
    category = (nw.String, nw.Categorical, nw.Enum, nw.Object, nw.Unknown)
    return "category" if isinstance(dtype, category) else None


def _build_frame(columns, frame, index):
    """Return a frame of the described backend, names and dtypes."""
    data = {}
    for i, (values, dtype) in enumerate(zip(columns, frame["dtypes"], strict=True)):
        if dtype["kind"] == "integer" and values.dtype != object:
            gaps = np.isnan(values)
            values = np.round(np.where(gaps, 0, values)).astype(np.int64)
            values = np.where(gaps, None, values) if gaps.any() else values
        data[i] = values
    if frame["backend"] == "pandas":
        import pandas as pd

        pairs = zip(data.values(), frame["dtypes"], strict=True)
        series = [_pandas_series(values, dtype) for values, dtype in pairs]
        out = pd.concat(series, axis=1) if series else pd.DataFrame()
        out.columns = frame["names"]
        return out if index is None else out.set_axis(index, axis=0)
    series = {}
    for values, name, d in zip(data.values(), frame["names"], frame["dtypes"], strict=True):
        dtype = nw.Enum(d["levels"]) if d["dtype"] == "Enum" else getattr(nw, d["dtype"])
        plain = [None if value is None or value != value else value for value in values.tolist()]
        if d["kind"] == "number":
            plain = values.tolist() if not np.isnan(values).any() else plain
        series[name] = nw.new_series(name, plain, dtype, backend=frame["backend"])
    return nw.from_dict(series).to_native()


def _pandas_series(values, description):
    import pandas as pd

    dtype = description["dtype"]
    if dtype == "category":
        dtype = pd.CategoricalDtype(description["levels"], description["ordered"])
    if description["kind"] == "boolean" and values.dtype == object and None not in values.tolist():
        values = values.astype(bool)
    return pd.Series(values, dtype=dtype)


# --- numbers -------------------------------------------------------------------------------------


def _numbers(columns, positions, names):
    """Return the numeric columns as a new float64 matrix, NaN where missing."""
    n_rows = len(columns[0]) if columns else 0
    out = np.empty((n_rows, len(positions)))
    for j, position in enumerate(positions):
        column = columns[position]
        if isinstance(column, nw.Series):
            column = column.cast(nw.Float64).to_numpy()
        out[:, j] = column
        if np.isinf(out[:, j]).any():
            raise ValueError(
                f"Input X contains infinity in column {names[position]!r}. Allowed: finite numbers "
                "and NaN. Replace it."
            )
    return out


@np.errstate(over="ignore", invalid="ignore")  # what overflows is not written exactly
def _decimals(values):
    """Return the fewest decimals that write all values exactly, -1 if they need more than 6."""
    single = (values == values.astype(np.float32)).all()
    precision = np.finfo(np.float32 if single else np.float64).eps
    for decimals in range(_MAX_DECIMALS + 1):
        scaled = values * 10.0**decimals
        error = precision * np.abs(scaled) if decimals else np.zeros_like(scaled)
        if error.max(initial=0.0) > _CLEAR:  # any number would do
            break
        if (np.abs(scaled - np.round(scaled)) <= error).all():
            return decimals
    return -1


# --- categories ----------------------------------------------------------------------------------


def _positions(which, names, columns, frame, parameter="categorical_features"):
    """Return the set of positions of the columns that `which` names."""
    if isinstance(which, str) and which == "from_dtype":
        if frame is None:
            return set()
        kinds = [description["kind"] for description in frame["dtypes"]]
        return {i for i, kind in enumerate(kinds) if kind in ("boolean", "category")}
    items = np.asarray(which, dtype=object).ravel().tolist()
    if all(isinstance(item, bool | np.bool_) for item in items) and items:
        if len(items) != len(columns):
            raise bad_value(
                parameter,
                items,
                f"has {len(items)} entries, but X has {len(columns)} columns",
                "one boolean for each column",
                "Name the columns instead.",
            )
        return set(np.flatnonzero(items).tolist())
    positions = set()
    for item in items:
        found = names.index(item) if isinstance(item, str) and item in names else item
        if not isinstance(found, Integral) or not 0 <= found < len(columns):
            raise bad_value(
                parameter,
                item,
                "is no column of X",
                f"{', '.join(map(repr, names[:20]))}, or positions from 0",
                "Check its spelling.",
            )
        positions.add(int(found))
    return positions


def _plain(column):
    """Return a column as an object array, None where missing."""
    if isinstance(column, nw.Series):
        column = column.to_native().tolist() if column.dtype == nw.Object else column.to_list()
    else:
        column = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return missing_as_none(column)


def _levels(column):
    """Return the levels that occur, sorted, None (missing) last, and each row's level number."""
    values = _plain(column)
    seen = set(values.tolist())
    levels = in_order(seen - {None}) + ([None] if None in seen else [])
    number = {level: i for i, level in enumerate(levels)}
    return levels, np.array([number[value] for value in values], dtype=np.intp)


def _find_levels(column, levels, name, to_impute):
    """Return each row's level number, -1 for one to impute."""
    number = {level: i for i, level in enumerate(levels)}
    if to_impute:
        number[None] = -1
    values = _plain(column)
    unknown = set(values.tolist()) - set(number)
    if unknown:
        value = next(iter(unknown))
        known = ", ".join(repr(level) for level in levels[:10])
        raise ValueError(
            f"Column {name!r} holds {value!r}, which it did not when it was fitted. Allowed: "
            f"{known}{', ...' if len(levels) > 10 else ''}. Replace it, or fit with it."
        )
    return np.array([number[value] for value in values], dtype=np.intp)


def _codes(encoding, counts, position):
    """Return the points that stand for levels, with mean 0 and unit mean variance over the rows."""
    share = counts / counts.sum()
    codes = np.eye(len(counts))
    n_dimensions = int(np.ceil(2 * np.log2(max(len(counts), 2)))) + 1
    if encoding == "embedding" and n_dimensions < len(counts):
        rng = np.random.default_rng(position)
        codes = rng.normal(size=(len(counts), n_dimensions))
        codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    codes = codes - share @ codes
    variance = (share @ codes**2).mean()
    return codes / np.sqrt(variance) if variance > 0 else codes


def _decode(Z, column, missing):
    """Return the levels whose codes are nearest, as an object array."""
    start, stop = column["columns"]
    levels, codes = column["levels"], column["codes"]
    n_levels = len(levels)
    if not missing and levels[-1] is None and n_levels > 1:
        n_levels -= 1
    codes = codes[:n_levels]
    nearest = np.argmin((codes**2).sum(axis=1) - 2 * Z[:, start:stop] @ codes.T, axis=1)
    values = np.empty(n_levels, dtype=object)
    values[:] = levels[:n_levels]
    return values[nearest]
