"""Bilinear upsampling against NumPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.nnet.abstract_conv import (
    bilinear_kernel_1D,
    bilinear_kernel_2D,
    bilinear_upsampling,
)

from tests.helpers import assert_close, assert_derivative


def interpolated(values, ratio, axis):
    places = (np.arange(values.shape[axis] * ratio) - (ratio - 1) // 2) / ratio
    pixels = np.arange(values.shape[axis])
    return np.apply_along_axis(lambda row: np.interp(places, pixels, row), axis, values)


@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
@pytest.mark.parametrize("symbolic", [False, True])
def test_upsampling(ratio, symbolic, rng):
    x, factor = T.dtensor4("x"), T.iscalar("ratio")
    images = rng.normal(size=(2, 3, 4, 5))
    y = bilinear_upsampling(x, factor if symbolic else ratio, batch_size=2, use_1D_kernel=False)
    given = {x: images} | ({factor: ratio} if symbolic else {})
    expected = interpolated(interpolated(images, ratio, 2), ratio, 3)
    assert_close(y.eval(given), expected, "float64")


def test_its_gradient(rng):
    x = T.dtensor4("x")
    images, weights = rng.normal(size=(1, 2, 3, 2)), rng.normal(size=(1, 2, 6, 4))
    y = bilinear_upsampling(x, ratio=2)
    function = theano.function([x], y)
    gradient = theano.function([x], T.grad(T.sum(y * weights), x))(images)
    assert_derivative(
        lambda array: float(np.sum(function(array) * weights)), [images], [gradient], rng
    )


def test_kernels():
    assert bilinear_kernel_1D(3, normalize=False).eval().tolist() == [1, 2, 3, 2, 1]
    one = bilinear_kernel_1D(2).eval()
    assert one.dtype == "float32"
    assert one.tolist() == [0.5, 1, 0.5]
    np.testing.assert_array_equal(bilinear_kernel_2D(2).eval(), np.outer(one, one))


def test_ratios_that_are_no_integers_are_refused():
    with pytest.raises(NotImplementedError, match=r"bilinear_upsampling: ratio must be an integer"):
        bilinear_upsampling(T.tensor4(), frac_ratio=(3, 2))
