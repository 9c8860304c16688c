"""Comparisons and choices: activations that are spelt out."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import nonlinearities as nl

from convnet_features import nonlinearities as own
from convnet_features.exceptions import NetworkError
from convnet_features.onnx import from_onnx

from ...helpers import assert_close
from ..foreign import Foreign


@pytest.fixture
def foreign(rng):
    foreign = Foreign(rng)
    foreign("Conv", foreign.weights(4, 2, 3, 3), foreign.weights(4))
    return foreign


def scalar(f, value):
    return f.constant(np.float32(value))


def compared(f, operator, bound, **where):
    return f(operator, f.constant(np.float32(bound)), **where)


def leaky(f):
    x = f.last
    condition = compared(f, "Greater", 0)
    f("Where", x, f("Mul", scalar(f, 0.1), first=x), first=condition)


def leaky_from_below(f):
    x = f.last
    condition = compared(f, "Less", 0)
    f("Where", f("Mul", scalar(f, 0.1), first=x), x, first=condition)


def rectified(f):
    x = f.last
    f("Where", x, scalar(f, 0), first=compared(f, "GreaterOrEqual", 0))


def rectified_by_a_product(f):
    x = f.last
    mask = f("Cast", first=compared(f, "Greater", 0), to=1)
    f("Mul", mask, first=x)


def rectified_from_below(f):
    """Not chosen where not above 0."""
    x = f.last
    f("Where", scalar(f, 0), x, first=f("Not", first=compared(f, "Greater", 0)))


def softplus(f):
    """As PyTorch's newer exporter writes it."""
    x = f.last
    soft = f("Softplus", first=x)
    f("Where", x, soft, first=compared(f, "Greater", 20, first=x))


def exponential(f):
    x = f.last
    below = f("Mul", scalar(f, 1.3), first=f("Sub", scalar(f, 1), first=f("Exp", first=x)))
    f("Where", x, below, first=compared(f, "Greater", 0, first=x))


def bounds_of_channels(f):
    x = f.last
    bound = np.linspace(-0.5, 0.5, 4).reshape(4, 1, 1)
    f("Where", x, f.constant(np.float32(bound)), first=compared(f, "Greater", bound))


def larger_of_two(f):
    x = f.last
    y = f("Tanh", first=x)
    f("Where", x, y, first=f("Less", y, first=x))


def within(f):
    """Two conditions at once."""
    x = f.last
    above, below = compared(f, "Greater", -0.3), compared(f, "LessOrEqual", 0.4, first=x)
    f("Where", x, scalar(f, -1), first=f("And", below, first=above))


def outside(f):
    x = f.last
    below, above = compared(f, "Less", -0.3), compared(f, "Greater", 0.4, first=x)
    f("Where", scalar(f, 2), x, first=f("Or", above, first=below))


def one_of_two(f):
    x = f.last
    below, above = compared(f, "Less", 0.3), compared(f, "Greater", -0.4, first=x)
    f("Where", scalar(f, 2), x, first=f("Xor", above, first=below))


def constant_on_the_left(f):
    x = f.last
    condition = f("Greater", x, first=scalar(f, 0.2))  # 0.2 > x
    f("Where", scalar(f, -1), x, first=condition)


def channels_last(f):
    x = f("Transpose", perm=[0, 2, 3, 1])
    bound = f.constant(np.float32([-0.1, 0, 0.1, 0.2]))
    f("Where", x, bound, first=f("Greater", bound, first=x))
    f("Transpose", perm=[0, 3, 1, 2])


def by_truth(f):
    """Numbers as truth: all but 0."""
    f("Relu")
    x = f.last
    f("Where", x, scalar(f, 0.5), first=f("Cast", first=x, to=9))


def fixed(f):
    x = f.last
    f("Where", x, f("Neg", first=x), first=f.constant(np.array(False)))


def larger_than_bounds(f):
    f("Max", f.constant(np.float32(np.linspace(-0.5, 0.5, 4)).reshape(4, 1, 1)))
    f("Min", f.constant(np.float32(np.linspace(0.6, 0.7, 4)).reshape(4, 1, 1)))


def larger_than_a_number(f):
    f("Max", scalar(f, -0.2))
    f("Min", scalar(f, 0.3))


ALL = [
    leaky,
    leaky_from_below,
    rectified,
    rectified_by_a_product,
    rectified_from_below,
    softplus,
    exponential,
    bounds_of_channels,
    larger_of_two,
    within,
    outside,
    one_of_two,
    constant_on_the_left,
    channels_last,
    by_truth,
    fixed,
    larger_than_bounds,
    larger_than_a_number,
]


@pytest.mark.parametrize("build", ALL)
def test_values(foreign, build, images, run):
    build(foreign)
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    extractor = from_onnx(model, engine="portable")
    assert_close(extractor.transform(images), expected, "float32")


@pytest.mark.parametrize(
    ("build", "function"),
    [
        (leaky, nl.LeakyRectify),
        (leaky_from_below, nl.LeakyRectify),
        (rectified, nl.rectify),
        (softplus, own.softplus),
        (larger_than_a_number, own.Clip),
    ],
)
def test_what_has_a_name_gets_it(foreign, build, function):
    """The kernels know it then."""
    build(foreign)
    last = list(from_onnx(foreign.model(), engine="portable").layers_.values())[-1]
    found = last.nonlinearity
    assert found is function or isinstance(found, function)


def test_a_steep_choice_is_not_taken_for_softplus(foreign, images, run):
    x = foreign.last
    soft = foreign("Softplus", first=x)
    foreign("Where", x, soft, first=compared(foreign, "Greater", 0.1, first=x))
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(from_onnx(model, engine="portable").transform(images), expected, "float32")


def test_a_choice_by_constants_that_differ(foreign):
    x = foreign.last
    mask = foreign.constant(np.arange(9) > 3)
    foreign("Where", x, scalar(foreign, 0), first=mask)
    with pytest.raises(NetworkError, match=r"Where\): a choice by a constant of shape \(9,\)"):
        from_onnx(foreign.model(), engine="portable")


def test_several_constants(foreign):
    foreign("Max", scalar(foreign, 0), scalar(foreign, 1))
    with pytest.raises(NetworkError, match=r"Max\): a constant among the values cannot be read"):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_rectifier_with_a_threshold(foreign, images, run, alpha):
    foreign("ThresholdedRelu", alpha=alpha)
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(from_onnx(model, engine="portable").transform(images), expected, "float32")


@pytest.mark.parametrize("attributes", [{}, {"alpha": 1.7}])
def test_swish(foreign, images, run, attributes):
    """An operator since opset 24: its formula is the oracle."""
    x = foreign.last
    plain = foreign.model()
    maps = next(iter(run(plain, images).values())).astype(np.float64)
    foreign("Swish", first=x, **attributes)
    alpha = attributes.get("alpha", 1.0)
    expected = (maps / (1 + np.exp(-alpha * maps))).reshape(len(images), -1)
    extractor = from_onnx(foreign.model(24), engine="portable")
    assert_close(extractor.transform(images), expected.astype(np.float32), "float32")


def test_mean_of_values(foreign, images, run):
    x = foreign.last
    foreign("Mean", foreign("Tanh"), foreign("Neg", first=x), first=x)
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(from_onnx(model, engine="portable").transform(images), expected, "float32")


def test_integers_are_not_computed_with(foreign):
    """Half of an integer 1 is 0."""
    foreign("Cast", first=compared(foreign, "Greater", 0), to=7)
    foreign("Div", foreign.constant(np.int64(2)))
    foreign("Cast", to=1)
    with pytest.raises(NetworkError, match="a conversion to integers cannot be read"):
        from_onnx(foreign.model(), engine="portable")


def test_what_is_always_chosen_is_broadcast_to_the_other(foreign):
    maps = foreign.last
    mean = foreign("GlobalAveragePool")
    foreign("Where", mean, maps, first=foreign.constant(np.array(True)))
    with pytest.raises(
        NetworkError, match=r"shape \(4, 1, 1\) chosen beside one of shape \(1, 4, "
    ):
        from_onnx(foreign.model(), engine="portable")
