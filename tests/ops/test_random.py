"""Random draws: what they draw, that they repeat, and that they disturb nobody's generator."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import DisconnectedInputError, grad

from convnet_features.compilation import compile_program, mode
from convnet_features.kernels.registry import get_kernels
from convnet_features.ops.random import Bernoulli, bernoulli, normal, uniform

DRAWS = {
    "fair coin": lambda rng, shape, **more: bernoulli(rng, shape, 0.5, **more),
    "coin": lambda rng, shape, **more: bernoulli(rng, shape, np.float32(0.3), **more),
    "uniform": lambda rng, shape, **more: uniform(rng, shape, -1.0, 3.0, **more),
    "normal": lambda rng, shape, **more: normal(rng, shape, 2.0, 0.5, **more),
}
#: (mean, standard deviation) of each.
MOMENTS = {
    "fair coin": (0.5, 0.5),
    "coin": (0.3, 0.21**0.5),
    "uniform": (1.0, 4 / 12**0.5),
    "normal": (2.0, 0.5),
}


@pytest.fixture(params=list(DRAWS))
def kind(request):
    return request.param


def program_of(kind, shape, dtype="float32"):
    """A program that owns its generator, and the variable of that."""
    rng = pytensor.shared(np.random.default_rng(0)).type()
    _, draw = DRAWS[kind](rng, shape, dtype=dtype)
    return compile_program([rng], [draw], get_kernels("portable"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(kind, dtype):
    (draw,) = program_of(kind, (200, 300), dtype)(np.random.default_rng(1))
    mean, deviation = MOMENTS[kind]
    assert draw.dtype == dtype
    assert draw.shape == (200, 300)
    assert abs(draw.mean(dtype="float64") - mean) < 5 * deviation / 60_000**0.5
    assert abs(draw.std(dtype="float64") - deviation) < 0.02 * deviation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ranges(dtype):
    (coins,) = program_of("coin", (1000,), dtype)(np.random.default_rng(1))
    assert set(np.unique(coins)) == {0, 1}
    (numbers,) = program_of("uniform", (1000,), dtype)(np.random.default_rng(1))
    assert numbers.min() >= -1
    assert numbers.max() <= 3


def test_equal_generators_draw_equally_and_go_on(kind):
    program = program_of(kind, (2, 3, 5))
    first, second = np.random.default_rng(7), np.random.default_rng(7)
    draws = [program(first)[0] for _ in range(3)]
    for draw in draws:
        np.testing.assert_array_equal(draw, program(second)[0])
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[1], draws[2])


def test_a_function_that_owns_no_generator_leaves_it_where_it_is(kind):
    """``theano.function`` advances shared generators by their updates, and only so."""
    rng = pytensor.shared(np.random.default_rng(7))
    next_rng, draw = DRAWS[kind](rng, (4, 3))
    still = pytensor.function([], draw, mode=mode("portable"))
    np.testing.assert_array_equal(still(), still())
    moving = pytensor.function([], draw, updates=[(rng, next_rng)], mode=mode("portable"))
    before = still()
    np.testing.assert_array_equal(moving(), before)
    assert not np.array_equal(moving(), before)


def test_a_generator_given_to_a_function_is_not_touched(kind):
    rng = pytensor.shared(np.random.default_rng(0)).type()
    next_rng, draw = DRAWS[kind](rng, (4, 3))
    function = pytensor.function([rng], [draw, next_rng], mode=mode("portable"))
    mine = np.random.default_rng(7)
    state = mine.bit_generator.state
    first, advanced = function(mine)
    assert mine.bit_generator.state == state
    assert advanced.bit_generator.state != state
    np.testing.assert_array_equal(function(mine)[0], first)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (7, 11)])
def test_shapes(kind, shape):
    (draw,) = program_of(kind, shape)(np.random.default_rng(1))
    assert draw.shape == shape
    assert draw.dtype == np.float32


def test_shapes_that_only_running_tells(kind):
    rng = pytensor.shared(np.random.default_rng(0)).type()
    x = pt.fmatrix()
    _, like = DRAWS[kind](rng, x.shape)
    assert like.type.shape == (None, None)
    _, mixed = DRAWS[kind](rng, [x.shape[0], 5])
    assert mixed.type.shape == (None, 5)
    vector = pt.lvector()
    _, given = DRAWS[kind](rng, vector, ndim=2)
    outputs = [like, mixed, given]
    program = compile_program([rng, x, vector], outputs, get_kernels("portable"))
    values = program(np.random.default_rng(1), np.zeros((2, 3), "float32"), np.array([4, 7]))
    assert [value.shape for value in values] == [(2, 3), (2, 5), (4, 7)]


def test_a_vector_of_unknown_length_needs_a_rank(kind):
    rng = pytensor.shared(np.random.default_rng(0))
    with pytest.raises(ValueError, match="unknown length: give ndim="):
        DRAWS[kind](rng, pt.lvector())


def test_parameters_may_be_arrays():
    rng = pytensor.shared(np.random.default_rng(0)).type()
    p = np.array([0, 1, 0.5], "float32")
    program = compile_program([rng], [bernoulli(rng, (100, 3), p)[1]], get_kernels("portable"))
    (draw,) = program(np.random.default_rng(1))
    assert draw[:, 0].sum() == 0
    assert draw[:, 1].sum() == 100
    assert 0 < draw[:, 2].sum() < 100


def test_no_gradient_flows_through_a_draw(kind):
    rng = pytensor.shared(np.random.default_rng(0))
    mean = pt.fscalar()
    _, draw = normal(rng, (3,), mean, 1.0)
    with pytest.raises(DisconnectedInputError):
        grad(draw.sum(), mean)


@pytest.mark.parametrize("shape", [(), (0, 5), (1,), (3, 7), (32, 128)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_a_fair_coin_is_the_bits_of_a_generators_bytes(kind, dtype, shape):
    """In their order, whatever the generator."""
    size = int(np.prod(shape))
    tossed = Bernoulli(dtype, len(shape), one=2).draw(
        np.random.Generator(kind(3)), shape, np.float32(0.5)
    )
    drawn = np.frombuffer(np.random.Generator(kind(3)).bytes(-(-size // 8)), np.uint8)
    assert tossed.dtype == dtype
    np.testing.assert_array_equal(tossed, 2 * np.unpackbits(drawn, count=size).reshape(shape))
