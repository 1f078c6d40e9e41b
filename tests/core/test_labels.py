"""Labels as numbers, against numpy's sort."""

import numpy as np
import pytest

from sklearn_extra_ml._core._labels import find_labels, number_labels

LABELS = {
    "close": [3, -5, 3, 0],
    "far apart": [10**15, -(10**15), 7],
    "int8 over its whole range": np.array([127, -128, 0, 127], dtype=np.int8),
    "beyond int64": np.array([2**63 + 5, 2**63, 2**63 + 5], dtype=np.uint64),
    "whole floats": [2.0, -1.0, 2.0],
    "floats too large for integers": [1e300, -1e300, 0.0],
    "booleans": [True, False, True],
    "strings": ["b", "a", "b"],
    "objects": np.array(["b", "a", "b"], dtype=object),
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_numbers_equal_those_of_a_sort(y):
    y = np.asarray(y)
    labels, codes = number_labels(y)
    expected, inverse = np.unique(y, return_inverse=True)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == expected.dtype and codes.dtype == np.int32
    np.testing.assert_array_equal(codes, inverse)
    found, others = find_labels(y, expected)
    np.testing.assert_array_equal(found, inverse)
    assert others.size == 0
    _, others = find_labels(y, expected[1:])
    np.testing.assert_array_equal(others, expected[:1])
