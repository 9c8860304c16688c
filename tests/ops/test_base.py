"""What all operations share."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from convnet_features.kernels.registry import get_kernels
from convnet_features.ops.base import KernelOp, float_tensor, image_tensor, pair_of, tensor_of


def test_a_kernel_op_needs_a_kernel():
    with pytest.raises(NotImplementedError):
        KernelOp().kernel(None, get_kernels("portable"), (True,))


def test_tensors_are_taken_as_they_are_and_arrays_become_constants():
    x = pt.fmatrix()
    assert float_tensor(x, 2, "x", "op") is x
    assert float_tensor(np.zeros((2, 3), "float32"), 2, "x", "op").type.shape == (2, 3)


@pytest.mark.parametrize("value", [pt.fvector(), np.zeros((2, 3), "int8"), pt.zmatrix(), 5.0])
def test_other_tensors_are_refused_by_name(value):
    with pytest.raises(TypeError, match=r"op: x must be a 2-dimensional float32 or float64 tensor"):
        float_tensor(value, 2, "x", "op")


def test_images_have_four_dimensions():
    with pytest.raises(TypeError, match="op: the images must be a 4-dimensional"):
        image_tensor(pt.ftensor3(), "op")


@pytest.mark.parametrize("value", [(2, 3), [2, 3], np.array([2, 3]), (np.int64(2), np.int8(3))])
def test_pairs(value):
    pair = pair_of(value, 1, "size")
    assert pair == (2, 3)
    assert [type(number) for number in pair] == [int, int]


@pytest.mark.parametrize("value", [2, (2,), (2, 3, 4), (2.0, 3), (0, 1), "ab", None, (None, 1)])
def test_other_pairs_are_refused(value):
    with pytest.raises(ValueError, match="size must be two integers of at least 1; got"):
        pair_of(value, 1, "size")


def test_types_know_what_is_known():
    assert tensor_of("float32", (None, 3)).shape == (None, 3)
