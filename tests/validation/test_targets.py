"""y as a network's target."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.multiclass import type_of_target

from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.validation import encode_targets

TARGETS = {
    "integers": ([3, 1, 3], "classes", [1, 0, 1]),
    "strings": (["b", "a", "b"], "classes", [1, 0, 1]),
    "booleans": ([True, False, True], "classes", [1, 0, 1]),
    "a column": ([[3], [1], [3]], "classes", [1, 0, 1]),
    "a column of booleans": (np.array([[True], [False], [True]]), "classes", [1, 0, 1]),
    "whole floats": ([3.0, 1.0, 3.0], "classes", [1, 0, 1]),
    "half floats": (np.array([3, 1, 3], "float16"), "classes", [1, 0, 1]),
    "-1 and 1": ([-1, 1, 1], "classes", [0, 1, 1]),
    "bytes": (np.array([3, 1, 3], "uint8"), "classes", [1, 0, 1]),
    "objects, all of them integers": (np.array([3, 1, 3], object), "classes", [1, 0, 1]),
    "objects, all of them text": (np.array(["b", "a", "b"], object), "classes", [1, 0, 1]),
    "objects, all of them floats": (np.array([3.5, 1.0, 3.0], object), "numbers", None),
    "a series": (pd.Series([3, 1, 3]), "classes", [1, 0, 1]),
    "nullable integers": (pd.Series([3, 1, 3], dtype="Int64"), "classes", [1, 0, 1]),
    "nullable floats": (pd.Series([3.0, 1.5, 3.0], dtype="Float64"), "numbers", None),
    "nullable booleans": (pd.Series([True, False, True], dtype="boolean"), "classes", [1, 0, 1]),
    "nullable text": (pd.Series(["b", "a", "b"], dtype="string"), "classes", [1, 0, 1]),
    "categories": (pd.Series(["b", "a", "b"], dtype="category"), "classes", [1, 0, 1]),
    "a masked array, nothing masked": (np.ma.array([3, 1, 3]), "classes", [1, 0, 1]),
    "polars": (polars.Series(["b", "a", "b"]), "classes", [1, 0, 1]),
    "floats": ([3.5, 1.0, 2.0], "numbers", None),
    "floats that no integer can hold": ([1e300, 1.0, 2.0], "numbers", None),
    "columns of floats": ([[3.0, 0.5], [1.0, 0.1], [2.0, 0.3]], "numbers", None),
    "a matrix of 0 and 1": ([[1, 0], [1, 1], [0, 0]], "labels", [[1, 0], [1, 1], [0, 0]]),
    "one of floats": ([[1.0, 0.0], [1.0, 1.0]], "labels", [[1, 0], [1, 1]]),
    "one of booleans": ([[True, False], [True, True]], "labels", [[1, 0], [1, 1]]),
    "a sparse one": (csr_array([[1, 0], [1, 1]]), "labels", [[1, 0], [1, 1]]),
    "a frame": (pd.DataFrame({"a": [1, 1], "b": [0, 1]}), "labels", [[1, 0], [1, 1]]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("case", TARGETS)
def test_what_is_learnt_follows_from_y(case):
    y, kind, values = TARGETS[case]
    targets = encode_targets("Net", y, "auto", y.shape[0] if hasattr(y, "shape") else len(y))
    assert targets.kind == kind
    assert targets.values.dtype == (np.int32 if kind == "classes" else np.float32)
    if values is not None:
        np.testing.assert_array_equal(targets.values, values)


def test_text_of_numpys_variable_width():
    """scikit-learn takes it for no dtype at all."""
    y = np.array(["b", "a", "b"], dtype=np.dtypes.StringDType())
    targets = encode_targets("Net", y, "auto", 3)
    assert targets.kind == "classes"
    assert targets.classes.tolist() == ["a", "b"]
    np.testing.assert_array_equal(targets.values, [1, 0, 1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("case", TARGETS)
def test_scikit_learn_sees_the_same(case):
    """Where y is an array that `type_of_target` reads itself."""
    y, kind, _ = TARGETS[case]
    y = (
        y.to_numpy()
        if hasattr(y, "to_numpy")
        else np.asarray(y)
        if not hasattr(y, "toarray")
        else y
    )
    if "objects, all of them" in case and "text" not in case:
        y = y.astype(float)
    with np.errstate(invalid="ignore"):
        seen = type_of_target(y)
    expected = {
        "binary": "classes",
        "multiclass": "classes",
        "continuous": "numbers",
        "continuous-multioutput": "numbers",
        "multilabel-indicator": "labels",
    }
    assert expected[seen] == kind


class Tensor:
    """A tensor that has no values of NumPy's."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("requires grad")


REFUSED = {
    "nothing": (
        None,
        "auto",
        "Net requires y to be passed, but the target y is None. The network learns its features "
        "from labels.",
    ),
    "a single value": (
        3,
        "auto",
        "Net: y is a single value (3); expected one target a sample.",
    ),
    "a generator": (
        (each for each in "ab"),
        "auto",
        "Net: y is a generator; expected one target a sample. Give list(y).",
    ),
    "a set": ({1, 2}, "auto", "Net: y is a set; expected one target a sample. Give list(y)."),
    "a tensor that is elsewhere": (
        Tensor(),
        "auto",
        "Net: y is a Tensor that NumPy cannot read (requires grad); give its values, without "
        "gradients and in the memory of the CPU: y.detach().cpu().numpy() of PyTorch.",
    ),
    "three dimensions": (
        np.zeros((3, 2, 2)),
        "auto",
        "Net: y has 3 dimensions, shape (3, 2, 2); expected 1 (n_samples,) or 2 (n_samples, "
        "n_outputs).",
    ),
    "no columns": (np.zeros((3, 0)), "auto", "Net: y has no columns, shape (3, 0)."),
    "None among text": (
        ["a", None, "b"],
        "auto",
        "Net: y has missing values in 1 of 3 rows, the first in row 1; leave these rows out of X "
        "and y, or fill the values in.",
    ),
    "NaN": (
        [1.0, 2.0, np.nan],
        "auto",
        "Net: Input y contains NaN: y has missing values (NaN) in 1 of 3 rows, the first in row 2; "
        "leave these rows out of X and y, or fill the values in.",
    ),
    "pandas' NA": (
        pd.Series([pd.NA, "a", pd.NA], dtype=object),
        "auto",
        "Net: y has missing values in 2 of 3 rows, the first in row 0; leave these rows out of X "
        "and y, or fill the values in.",
    ),
    "a category that is missing": (
        pd.Series(["a", None, "b"], dtype="category"),
        "auto",
        "Net: y has missing values in 1 of 3 rows, the first in row 1; leave these rows out of X "
        "and y, or fill the values in.",
    ),
    "what is masked": (
        np.ma.array([1, 2, 3], mask=[False, True, False]),
        "auto",
        "Net: y has masked values in 1 of 3 rows, the first in row 1; leave these rows out of X and "
        "y, or fill the values in.",
    ),
    "infinity": (
        [1.0, np.inf, 2.0],
        "auto",
        "Net: Input y contains infinity in 1 of 3 rows, the first in row 1; expected finite "
        "numbers.",
    ),
    "text and numbers": (
        np.array(["a", 1, "b"], object),
        "auto",
        "Net: y mixes text and numbers ('a' and 1); make all of it text, or all of it numbers.",
    ),
    "objects": (
        np.array([object, object, object], object),
        "auto",
        "Net: Unknown label type: y holds objects of type type; expected numbers, text or "
        "booleans.",
    ),
    "bytes": (
        [b"a", b"b", b"a"],
        "auto",
        "Net: y holds bytes (np.bytes_(b'a')); give text: numpy.char.decode(y).",
    ),
    "complex numbers": (
        [1j, 2j, 3j],
        "auto",
        "Net: Unknown label type: y has the dtype complex128; expected numbers, text or booleans.",
    ),
    "sets of labels": (
        [{"a"}, {"a", "b"}, set()],
        "auto",
        "Net: the rows of y have different lengths, or hold collections. Sets of labels become a "
        "matrix of 0 and 1 by sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y).",
    ),
    "lists of labels": (
        [["a"], ["a", "b"], []],
        "auto",
        "Net: the rows of y have different lengths, or hold collections. Sets of labels become a "
        "matrix of 0 and 1 by sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y).",
    ),
    "columns of classes": (
        [[1, 2], [3, 4], [1, 2]],
        "auto",
        "Net: y has 2 columns and values other than 0 and 1. Classes come in one column, labels in "
        "a matrix of 0 and 1; if they are numbers to be predicted, use target='numbers'.",
    ),
    "columns of whole floats": (
        [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]],
        "discrete",
        "Net: y has 2 columns and values other than 0 and 1. Classes come in one column, labels in "
        "a matrix of 0 and 1; if they are numbers to be predicted, use ConvNetRegressor.",
    ),
    "a matrix of -1 and 1": (
        [[-1, 1], [1, 1], [1, -1]],
        "auto",
        "Net: labels must be a matrix of 0 and 1; y holds -1 and 1. Give (y == 1).astype(int).",
    ),
    "numbers for a classifier": (
        [0.5, 1.0, 2.0],
        "discrete",
        "Net: Unknown label type: continuous. y holds continuous numbers, and classes or labels "
        "are learnt; use ConvNetRegressor to predict numbers.",
    ),
    "numbers that are said to be classes": (
        [0.5, 1.0, 2.0],
        "classes",
        "Net: Unknown label type: continuous. y holds numbers that are not whole, and classes are "
        "learnt; set target='numbers' or use ConvNetRegressor to predict numbers.",
    ),
    "labels that are said to be classes": (
        [[0, 1], [1, 1], [0, 0]],
        "classes",
        "Net: y has 2 columns, and one class a sample is learnt; give one column of classes, or "
        "rows of 0 with exactly one 1.",
    ),
    "classes that are said to be labels": (
        [0, 1, 1],
        "labels",
        "Net: y has one dimension, and target='labels' needs a matrix of 0 and 1, one column a "
        "label; of a single label, give y.reshape(-1, 1).",
    ),
    "numbers that are said to be labels": (
        [[0, 3], [1, 1], [2, 0]],
        "labels",
        "Net: labels must be a matrix of 0 and 1; y holds other values.",
    ),
    "text that is said to be numbers": (
        ["a", "b", "a"],
        "numbers",
        "Net: y holds np.str_('a'), and numbers are predicted; give numbers, or use "
        "ConvNetClassifier.",
    ),
    "one class": (
        [2, 2, 2],
        "auto",
        "Net: y holds one class only (2); at least two classes are needed to train.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_target_is_named_with_the_remedy(case):
    y, target, message = REFUSED[case]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        encode_targets("Net", y, target, 3)
    assert str(caught.value) == message


ONE_HOT = np.eye(4)[[3, 0, 2, 0]]
SHARES = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
TWO_READINGS = {
    "rows with one 1": (
        ONE_HOT,
        "auto",
        "labels",
        "Net: every row of y has exactly one 1. Its 4 columns are learnt as labels, each by itself, "
        "and any number of them may be predicted. If each row names one class, give "
        "y.argmax(axis=1), or set target='classes'; target='labels' says that labels are meant.",
    ),
    "whole numbers of many values": (
        np.arange(60) // 2,
        "auto",
        "classes",
        "Net: y holds 30 different whole numbers in 60 samples, which are learnt as classes. If "
        "they are quantities, set target='numbers' or use ConvNetRegressor; target='classes' says "
        "that classes are meant.",
    ),
    "whole floats of many values": (
        np.arange(100) * 10.0,
        "auto",
        "classes",
        "Net: y holds 100 different whole numbers in 100 samples, which are learnt as classes. If "
        "they are quantities, set target='numbers' or use ConvNetRegressor; target='classes' says "
        "that classes are meant.",
    ),
    "a classifier's samples with a class each": (
        np.arange(40),
        "discrete",
        "classes",
        "Net: y holds 40 different whole numbers in 40 samples, which are learnt as classes. If "
        "they are quantities, use ConvNetRegressor; target='classes' says that classes are meant.",
    ),
    "shares": (
        SHARES,
        "auto",
        "numbers",
        "Net: every row of y sums to 1, as probabilities of classes do. Its 3 columns are learnt as "
        "numbers. For the most probable class, give y.argmax(axis=1); target='numbers' says that "
        "numbers are meant.",
    ),
}


@pytest.mark.parametrize("case", TWO_READINGS)
def test_one_warning_names_both_readings_and_the_parameter(case):
    y, target, kind, message = TWO_READINGS[case]
    with pytest.warns(ConvNetFeaturesWarning) as caught:
        assert encode_targets("Net", y, target, len(y)).kind == kind
    assert [str(warning.message) for warning in caught] == [message]
    # What is said outright is not doubted.
    assert encode_targets("Net", y, kind, len(y)).kind == kind


@pytest.mark.parametrize(
    ("y", "target"),
    [
        (np.arange(60) % 20, "auto"),
        (np.arange(200) // 5, "discrete"),
        ([str(k) for k in range(60)], "auto"),
        (np.eye(3, dtype=int)[[0, 1, 2, 0]] + [[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]], "auto"),
        (np.zeros((4, 2), int), "auto"),
        ([[0.5, 0.6], [0.3, 0.7]], "auto"),
    ],
    ids=["20 classes", "40 of five", "texts", "two labels", "no labels", "numbers"],
)
def test_what_is_plain_is_not_warned_of(y, target):
    encode_targets("Net", y, target, len(y))


@pytest.mark.parametrize("make", [np.asarray, csr_array, pd.DataFrame, lambda y: y.astype(bool)])
def test_rows_with_one_1_are_classes_where_that_is_said(make):
    targets = encode_targets("Net", make(ONE_HOT), "classes", 4)
    np.testing.assert_array_equal(targets.values, [3, 0, 2, 0])
    np.testing.assert_array_equal(targets.classes, [0, 1, 2, 3])
    np.testing.assert_array_equal(targets.predictions(ONE_HOT), [3, 0, 2, 0])
    np.testing.assert_array_equal(targets.compared("Net", make(ONE_HOT)), [3, 0, 2, 0])
    # ... and both forms follow later.
    for more in (np.eye(4)[[1, 1]], [1, 1]):
        np.testing.assert_array_equal(
            encode_targets("Net", more, "classes", 2, like=targets).values, [1, 1]
        )


def test_labels_have_the_classes_that_scikit_learn_gives_them():
    Y = np.array([[1, 0, 1], [0, 1, 1]] * 5)
    known = encode_targets("Net", Y, "auto", 10).known_classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle = MLPClassifier(max_iter=1).fit(np.zeros((10, 2)), Y)
    np.testing.assert_array_equal(known, oracle.classes_)


def test_numbers_are_standardised_and_come_back():
    y = np.array([[10.0, -1.0], [20.0, -1.0], [60.0, -1.0]])
    targets = encode_targets("Net", y, "numbers", 3)
    np.testing.assert_allclose(targets.values.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(targets.values.std(axis=0), [1, 0], atol=1e-6)
    np.testing.assert_allclose(targets.predictions(targets.values), y, rtol=1e-6)


def test_an_encoding_is_followed():
    known = encode_targets("Net", ["a", "b", "c"], "classes", 3)
    np.testing.assert_array_equal(
        encode_targets("Net", ["c", "c"], "classes", 2, like=known).values, [2, 2]
    )
    with pytest.raises(ValueError, match=r"not among the known ones: \['d'\]; known are \['a'"):
        encode_targets("Net", ["d", "a"], "classes", 2, like=known)
    with pytest.raises(ValueError, match=r"not among the known ones: \[1\]; known are \['a'"):
        encode_targets("Net", [1, 1], "classes", 2, like=known)
    pairs = encode_targets("Net", [[0.1, 0.2], [0.3, 0.5]], "auto", 2)
    with pytest.raises(ValueError, match="y has 1 columns, and the network gives 2 numbers"):
        encode_targets("Net", [0.1, 0.2], "auto", 2, like=pairs)
    labels = encode_targets("Net", [[0, 1], [1, 1]], "auto", 2)
    with pytest.raises(
        ValueError, match="labels must be a matrix of 0 and 1; y holds other values"
    ):
        encode_targets("Net", [[0, 2], [1, 1]], "auto", 2, like=labels)
