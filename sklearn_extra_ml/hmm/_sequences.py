"""Where sequences begin and end, however the caller says it.

Rows are time steps, sequences lie one after another. Their boundaries come from a column of ids
(`sequence_col`), an id for each row (`groups`), `lengths`, or from the input itself (a list of 2-D
arrays, a 3-D array). A new sequence begins wherever the id changes: an id that comes back after a
gap is a new sequence.
"""

import sys
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._core._validation import bad_value, warn
from .._native._hmm_chain import schedule, scratch_size, stored_size

__all__ = [
    "Sequences",
    "boundaries",
    "fill_gaps",
    "join",
    "refuse_lengths_as_y",
    "split_column",
]


class Sequences(NamedTuple):
    """Consecutive sequences and the order in which the kernels take them.

    offsets : (n_sequences + 1,) first row of each, and the number of rows
    groups : (n_groups, 8) sequences of like length that run side by side, -1 for none
    singles : (n_singles,) long sequences that run alone
    n_states : the number of states the order was made for
    """

    offsets: np.ndarray
    groups: np.ndarray
    singles: np.ndarray
    n_states: int

    @classmethod
    def of(cls, lengths, n_states):
        """Sequences of these lengths; the order depends on them and on `n_states` alone."""
        lengths = np.ascontiguousarray(lengths, np.intp)
        order = np.argsort(-lengths, kind="stable").astype(np.intp, copy=False)
        groups = np.empty((len(lengths) // 8 + 1, 8), np.intp)
        singles = np.empty(len(lengths), np.intp)
        n_groups, n_singles = schedule(lengths, order, n_states, groups, singles)
        offsets = np.zeros(len(lengths) + 1, np.intp)
        np.cumsum(lengths, out=offsets[1:])
        return cls(offsets, groups[:n_groups].copy(), singles[:n_singles].copy(), n_states)

    @property
    def lengths(self):
        """(n_sequences,) number of rows of each."""
        return np.diff(self.offsets)

    @property
    def n_sequences(self):
        """How many there are."""
        return len(self.offsets) - 1

    @property
    def n_rows(self):
        """Rows of all of them together."""
        return int(self.offsets[-1])

    def scratch(self, n_threads):
        """Memory for the lane kernels, (n_threads, ...)."""
        longest = int(self.lengths[self.groups[:, 0]].max()) if len(self.groups) else 0
        return np.zeros((n_threads, scratch_size(self.n_states, longest)))

    def store(self):
        """Memory for what long sequences keep between the two passes."""
        return np.empty(max(1, stored_size(self.lengths, self.singles, self.n_states)))


def refuse_lengths_as_y(X, y):
    """Raise `ValueError` for a `y`, ignored otherwise, that has not one entry for each of `X`.

    In hmmlearn the second argument is `lengths`; taken for `y` the boundaries would be lost.
    """
    try:
        check_consistent_length(X, y)
    except ValueError as error:
        raise ValueError(
            f"{error}. `y` is ignored. Allowed: one entry for each of X, or None. Pass the lengths "
            "of sequences as `lengths=`."
        ) from None


def join(X):
    """Return the rows of `X` and, where `X` is a list of 2-D arrays or 3-D, the lengths; else None."""
    if getattr(X, "ndim", None) == 3:
        n_sequences, length, n_features = X.shape
        return np.asarray(X).reshape(-1, n_features), np.full(n_sequences, length)
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        X = list(X)
    if not isinstance(X, list | tuple) or len(X) == 0 or np.ndim(X[0]) != 2:
        _refuse_ragged(X)
        return X, None
    frame = _one_frame(X)
    if frame is not None:
        return frame, np.array([len(part) for part in X])
    parts = [np.asarray(part) for part in X]
    widths = {part.shape[1] if part.ndim == 2 else None for part in parts}
    if len(widths) > 1 or None in widths:
        raise ValueError(
            f"The sequences of the list `X` have the shapes {[part.shape for part in parts][:5]}. "
            "Allowed: 2-D arrays with the same number of columns."
        )
    return np.concatenate(parts), np.array([len(part) for part in parts])


def _refuse_ragged(X):
    """Raise `ValueError` for a list of 1-D sequences of different lengths: rows of no array."""
    if not isinstance(X, list | tuple):
        return
    lengths = [len(part) if hasattr(part, "__len__") else 0 for part in X]
    if len(set(lengths)) > 1 and not any(isinstance(part, str) for part in X):
        raise ValueError(
            f"The entries of the list `X` have the lengths {lengths[:5]}. Allowed: one 2-D array "
            "(length, n_features) for each sequence. Reshape sequences of one column with "
            "reshape(-1, 1)."
        )


def _one_frame(parts):
    """Return data frames of one kind as one frame, and None for anything else.

    Columns must be the same in the same order, as scikit-learn wants them in `fit` and `predict`.
    """
    if not all(hasattr(part, "columns") for part in parts):
        return None
    columns = [list(part.columns) for part in parts]
    for other in columns[1:]:
        if other != columns[0]:
            raise ValueError(
                f"The frames of the list `X` have the columns {columns[0]} and {other}. Allowed: "
                "the same in the same order. Select them in every frame."
            )
    if len({type(part) for part in parts}) > 1:
        return None
    library = type(parts[0]).__module__.partition(".")[0]  # pandas and polars both have `concat`
    return sys.modules[library].concat(parts)


def split_column(X, sequence_col):
    """Return `X` without the column `sequence_col`, and that column."""
    columns = getattr(X, "columns", None)
    if columns is None:
        X = np.asarray(X)
        if isinstance(sequence_col, str):
            raise bad_value(
                "sequence_col",
                sequence_col,
                "names a column, but X has no column names",
                "an integer for arrays",
                "Pass a data frame, or the position of the column.",
            )
        if X.ndim != 2:
            return X, None  # refused later, with the usual message
    names = range(X.shape[1]) if columns is None else list(columns)
    if isinstance(sequence_col, str):
        known = sequence_col in names
    else:
        known = -len(names) <= sequence_col < len(names)
    if not known:
        raise bad_value(
            "sequence_col",
            sequence_col,
            f"is no column of X, which has {len(names)}",
            "a name or position of one of them",
            "Name the column that holds the id of each row's sequence.",
        )
    if columns is None:
        return np.delete(X, sequence_col, axis=1), X[:, sequence_col]
    name = sequence_col if isinstance(sequence_col, str) else names[sequence_col]
    rest = X.drop(columns=[name]) if hasattr(X, "iloc") else X.drop(name)
    return rest, np.asarray(X[name])


def boundaries(X, groups, lengths, *, ids=None):
    """Return the lengths of the sequences of the validated rows `X`.

    `ids` is the column that `split_column` took, `groups` and `lengths` are what the caller gave; at
    most one of the three.
    """
    n_rows = len(X)
    given = [
        name
        for name, value in (("sequence_col", ids), ("groups", groups), ("lengths", lengths))
        if value is not None
    ]
    if len(given) > 1:
        raise ValueError(
            f"The sequences are given more than once, by {' and '.join(given)}. Allowed: one of "
            "`sequence_col`, `groups` and `lengths`. Leave the others out."
        )
    if ids is not None:
        found = _runs(ids, "sequence_col")
        if len(found) > 1 and 2 * len(found) > n_rows:
            warn(
                f"`sequence_col` divides {n_rows} rows into {len(found)} sequences. An earlier step "
                "may have mixed the column with others or shuffled the rows; pass it through "
                "unchanged (ColumnTransformer) or use `groups`.",
            )
        return found
    if groups is not None:
        groups = column_or_1d(groups)
        check_consistent_length(X, groups)
        return _runs(groups, "groups")
    if lengths is not None:
        return _check_lengths(lengths, n_rows)
    return np.array([n_rows])


def _runs(ids, name):
    """Lengths of the runs of equal ids."""
    if (ids != ids).any():
        raise ValueError(
            f"`{name}` has missing ids. Allowed: one id for each row. Fill them, or drop the rows."
        )
    change = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    return np.diff(np.concatenate([[0], change, [len(ids)]]))


def _check_lengths(lengths, n_rows):
    lengths = np.atleast_1d(np.asarray(lengths))
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
        raise ValueError(
            f"`lengths`={lengths!r} is no list of lengths. Allowed: integers from 1 on, one for "
            "each sequence."
        )
    if lengths.sum() != n_rows:
        raise ValueError(
            f"`lengths` add up to {lengths.sum()}, but X has {n_rows} rows. Cross-validation splits "
            "rows and cannot split `lengths`: give each row the id of its sequence instead, by "
            "`groups` (with metadata routing) or by a column named in `sequence_col`, and split "
            "with GroupKFold."
        )
    return lengths


def fill_gaps(X):
    """Return rows without NaN, and which of them were missing (None: no row).

    A missing row becomes the last row before it that was there, in memory of its own; nobody looks at
    it but the start of EM.
    """
    holes = np.isnan(X)
    absent = holes.all(axis=1)
    partly = holes.any(axis=1) & ~absent
    if partly.any():
        row = int(partly.argmax())
        raise ValueError(
            f"Row {row} of X is NaN in some columns and not in others ({int(partly.sum())} such rows). "
            "Allowed with missing='ignore': rows that are NaN throughout. Fill the cells, or model "
            "the columns that are complete."
        )
    if not absent.any():
        return X, None
    if absent.all():
        return np.zeros_like(X), absent
    source = np.where(absent, -1, np.arange(len(X)))
    np.maximum.accumulate(source, out=source)
    source[source < 0] = int(absent.argmin())
    return X[source], absent
