"""prelu, and rectifiers that draw their slopes."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.init import Uniform
from lasagne.nonlinearities import identity
from theano import tensor as T

from convnet_features.layers import (
    ParametricRectifierLayer,
    RandomizedRectifierLayer,
    prelu,
    rrelu,
)


@pytest.mark.parametrize(
    ("shared_axes", "tuple_of", "shape"),
    [
        ("auto", (0, 2, 3), (3,)),
        ("all", (0, 1, 2, 3), ()),
        (0, (0,), (3, 4, 5)),
        ((0, 3), (0, 3), (3, 4)),
    ],
)
def test_slopes_that_are_shared(shared_axes, tuple_of, shape, rng):
    images = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    slopes = rng.uniform(0.1, 0.9, shape).astype("float32")
    layer = ParametricRectifierLayer(images.shape, alpha=slopes, shared_axes=shared_axes)
    assert layer.shared_axes == tuple_of
    assert layer.alpha.get_value().shape == shape
    spread = slopes.reshape([1 if axis in tuple_of else n for axis, n in enumerate(images.shape)])
    expected = np.maximum(images, 0) + spread * np.minimum(images, 0)
    np.testing.assert_allclose(layer.get_output_for(images).eval(), expected, rtol=1e-6)
    assert layer.get_params(regularizable=True) == []


def test_slopes_need_sizes():
    with pytest.raises(ValueError, match="ParametricRectifierLayer needs specified input sizes"):
        ParametricRectifierLayer((None, 3, 4, 5), shared_axes=(1, 2, 3))
    with pytest.raises(
        ValueError, match=r"shared_axes=.*; axes must be 'auto', 'all', or integers"
    ):
        ParametricRectifierLayer((None, 3), shared_axes="some")


@pytest.mark.parametrize(
    ("put", "kind"), [(prelu, ParametricRectifierLayer), (rrelu, RandomizedRectifierLayer)]
)
def test_the_nonlinearity_gives_way(put, kind):
    dense = ll.DenseLayer((None, 4), 3)
    layer = put(dense, name="rectifier")
    assert isinstance(layer, kind)
    assert layer.name == "rectifier"
    assert layer.input_layer is dense
    assert dense.nonlinearity is identity


class TestRandomized:
    def test_slopes_lie_between_the_bounds(self, rng):
        images = rng.normal(size=(4, 3, 8, 8)).astype("float32")
        layer = RandomizedRectifierLayer((None, 3, 8, 8), 0.2, 0.6, shared_axes=())
        y = layer.get_output_for(theano.shared(images)).eval()
        np.testing.assert_array_equal(y[images > 0], images[images > 0])
        slopes = (y / images)[images < 0]
        assert 0.19 < slopes.min() < 0.25
        assert 0.55 < slopes.max() < 0.61
        assert abs(slopes.mean() - 0.4) < 0.02

    @pytest.mark.parametrize(
        ("shared_axes", "differs"), [("auto", [1]), ("all", []), ((0, 3), [1, 2])]
    )
    def test_slopes_that_are_shared(self, shared_axes, differs):
        layer = RandomizedRectifierLayer((3, 4, 5, 6), shared_axes=shared_axes)
        y = layer.get_output_for(theano.shared(-np.ones((3, 4, 5, 6), "float32"))).eval()
        assert [axis for axis in range(4) if np.ptp(y, axis=axis).max() > 1e-6] == differs

    def test_the_mean_slope_once_trained(self):
        x = theano.shared(-np.ones((2, 3), "float32"))
        layer = RandomizedRectifierLayer((2, 3), 0.4, 0.6)
        np.testing.assert_allclose(layer.get_output_for(x, deterministic=True).eval(), -0.5)
        same = RandomizedRectifierLayer((2, 3), 0.5, 0.5)
        np.testing.assert_allclose(same.get_output_for(x).eval(), -0.5)

    def test_symbolic_bounds(self):
        layer = RandomizedRectifierLayer((2, 3), theano.shared(0.25), T.constant(0.75))
        x = theano.shared(-np.ones((2, 3), "float32"))
        np.testing.assert_allclose(layer.get_output_for(x, deterministic=True).eval(), -0.5)
        assert (layer.get_output_for(x).eval() <= -0.25).all()

    def test_bounds_the_wrong_way_round(self):
        with pytest.raises(ValueError, match=r"lower=0.9 must not be higher than upper=0.1"):
            RandomizedRectifierLayer((2, 3), 0.9, 0.1)


@pytest.mark.parametrize("kind", [ParametricRectifierLayer, RandomizedRectifierLayer])
def test_axes_count_from_the_end_too(kind):
    assert kind((2, 3, 4, 5), shared_axes=(0, -1)).shared_axes == (0, 3)
    for wrong in (4, (0, -5), 1.5):
        with pytest.raises(ValueError, match=f"{kind.__name__}: shared_axes=.* from -4 to 3"):
            kind((2, 3, 4, 5), shared_axes=wrong)


def test_slopes_along_the_last_axis(rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = ParametricRectifierLayer(x.shape, alpha=Uniform((0.1, 0.5)), shared_axes=(0, -1))
    alpha = layer.alpha.get_value()
    assert alpha.shape == (3, 4)
    y = layer.get_output_for(theano.shared(x)).eval()
    np.testing.assert_allclose(y, np.where(x > 0, x, x * alpha[None, :, :, None]), rtol=1e-6)
