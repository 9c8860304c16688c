"""Generated functions: what they keep, free, return, and how they fail."""

from __future__ import annotations

import gc
import linecache
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op

from convnet_features.compilation import compile_program, straight_line
from convnet_features.kernels.registry import get_kernels
from convnet_features.ops.random import bernoulli

PORTABLE = get_kernels("portable")


def program_of(inputs, outputs, **options):
    return straight_line(FunctionGraph(inputs, outputs, clone=True), PORTABLE, **options)


def test_returns_a_tuple_in_the_order_of_the_outputs(rng):
    x, y = pt.fmatrix(), pt.fmatrix()
    a, b = (rng.standard_normal((2, 3)).astype("float32") for _ in range(2))
    results = program_of([x, y], [y, x + y, x, x + y])(a, b)
    assert isinstance(results, tuple)
    for result, expected in zip(results, [b, a + b, a, a + b], strict=True):
        np.testing.assert_array_equal(result, expected)


def test_scalars_come_back_as_arrays(rng):
    """Of the dtype that the graph promises, as PyTensor's functions give them."""
    x = pt.fvector()
    for result in program_of([x], [x.sum(), x.sum() * 2, x.shape[0], pt.constant(2.0)])(
        np.ones(3, "float32")
    ):
        assert isinstance(result, np.ndarray)
        assert result.ndim == 0


def test_constants_are_outputs_too():
    x = pt.fvector()
    results = program_of(
        [x], [pt.constant(2), pt.constant([1.0, 2.0]), pt.constant(3).dimshuffle("x")]
    )
    for result, expected in zip(results(None), [2, [1, 2], [3]], strict=True):
        np.testing.assert_array_equal(result, expected)


def test_what_is_no_input_is_named():
    x, stray = pt.fvector("x"), pt.fvector("stray")
    fgraph = FunctionGraph([x, stray], [x + stray], clone=False)
    fgraph.inputs.remove(stray)
    with pytest.raises(
        TypeError, match="stray is neither an input of the graph nor computed in it"
    ):
        straight_line(fgraph, PORTABLE)


class Watch(Op):
    """Gives an array that can be watched, and counts how many of these there are."""

    __props__ = ()
    living: ClassVar[weakref.WeakSet] = weakref.WeakSet()
    most = 0

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        result = np.array(inputs[0] + 1).view(_Watched)
        type(self).living.add(result)
        type(self).most = max(type(self).most, len(self.living))
        output_storage[0][0] = result


class _Watched(np.ndarray):
    __hash__ = object.__hash__


def test_its_frames_are_none_of_the_user_s():
    """Warnings on the way name the user's own line (`caller.users_level`)."""
    x = pt.fvector()
    program = straight_line(FunctionGraph([x], [pt.exp(x)], clone=False), get_kernels("portable"))
    assert program.__globals__["__name__"].startswith("convnet_features.")


def test_values_are_freed_as_soon_as_nothing_needs_them():
    x = pt.fvector()
    y = x
    for _ in range(10):
        y = Watch()(y)
    Watch.most = 0
    gc.collect()
    (result,) = program_of([x], [y])(np.zeros(3, "float32"))
    assert result[0] == 10
    assert Watch.most == 2  # the one being made and the one it is made from
    del result
    assert len(Watch.living) == 0


def test_outputs_in_the_middle_are_kept():
    x = pt.fvector()
    first = Watch()(x)
    results = program_of([x], [first, Watch()(Watch()(first))])(np.zeros(3, "float32"))
    assert [result[0] for result in results] == [1, 3]


def test_nothing_stays_between_calls():
    x = pt.fvector()
    program = program_of([x], [Watch()(Watch()(x))])
    for _ in range(3):
        program(np.zeros(3, "float32"))
        assert len(Watch.living) == 0


def test_any_number_of_threads_may_be_inside():
    """16 callers meet inside one program, and each gets its own result."""
    meeting = threading.Barrier(16)

    class Meet(Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            meeting.wait(timeout=20)
            output_storage[0][0] = inputs[0] * 2

    x = pt.fvector()
    program = program_of([x], [Meet()(x + 1) + x])
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda k: program(np.full(3, k, "float32"))[0], range(16)))
    for k, result in enumerate(results):
        np.testing.assert_array_equal(result, np.full(3, 3 * k + 2))


def test_generators_are_advanced_only_where_they_are_owned():
    rng = pytensor.shared(np.random.default_rng(0)).type()
    _, draw = bernoulli(rng, (5,), np.float32(0.3))
    for owned in (True, False):
        mine = np.random.default_rng(5)
        state = mine.bit_generator.state
        program_of([rng], [draw], owns_generators=owned)(mine)
        assert (mine.bit_generator.state != state) == owned


def test_tracebacks_show_the_generated_line():
    x, y = pt.fvector(), pt.fvector()
    program = program_of([x, y], [x + y])
    try:
        program(np.zeros(2, "float32"), np.zeros(3, "float32"))
    except ValueError as error:
        shown = "".join(traceback.format_exception(error))
    assert "<convnet_features program" in shown
    assert "Add_" in shown
    assert "np.errstate" in program.source


def test_a_program_that_is_gone_leaves_no_source_behind():
    x = pt.fvector()
    program = program_of([x], [x + 1])
    filename = program.__code__.co_filename
    assert filename in linecache.cache
    del program
    gc.collect()
    assert filename not in linecache.cache


def test_floating_point_events_are_silent():
    x = pt.fvector()
    program = compile_program([x], [pt.log(x), 1 / x, pt.exp(x * 1e30)], PORTABLE)
    with np.errstate(all="raise"):
        program(np.array([0, -1, 1], "float32"))


class TestFrozenInputs:
    def test_are_no_arguments(self, rng):
        x, w = pt.fmatrix(), pt.fmatrix()
        value = rng.standard_normal((3, 4)).astype("float32")
        program = compile_program([x, w], [pt.dot(x, w)], PORTABLE, frozen=[None, value])
        given = rng.standard_normal((2, 3)).astype("float32")
        np.testing.assert_allclose(program(given)[0], given @ value, rtol=1e-5)

    def test_what_they_alone_decide_is_computed_once(self, rng):
        x, w = pt.fmatrix(), pt.fmatrix()
        scale = pt.exp(w) * 2
        value = rng.standard_normal((3, 4)).astype("float32")
        program = compile_program([x, w], [pt.dot(x, scale), scale], PORTABLE, frozen=[None, value])
        assert "exp" not in program.source.lower()
        given = rng.standard_normal((2, 3)).astype("float32")
        product, scaled = program(given)
        np.testing.assert_allclose(product, given @ (np.exp(value) * 2), rtol=1e-5)
        scaled[...] = 0  # the caller's own
        np.testing.assert_allclose(program(given)[1], np.exp(value) * 2, rtol=1e-6)

    @pytest.mark.parametrize("fuse", [True, False])
    def test_may_be_some_of_them(self, fuse, rng):
        x, w, b = pt.fmatrix(), pt.fmatrix(), pt.fvector()
        y = pt.tanh(pt.dot(x, w) + b.dimshuffle("x", 0))
        values = [rng.standard_normal(s).astype("float32") for s in ((2, 3), (3, 4), (4,))]
        expected = compile_program([x, w, b], [y], PORTABLE, fuse=fuse)(*values)
        for frozen in ([None, values[1], values[2]], [None, None, values[2]], [None, values[1]]):
            program = compile_program([x, w, b], [y], PORTABLE, fuse=fuse, frozen=frozen)
            asked = [v for k, v in enumerate(values) if k >= len(frozen) or frozen[k] is None]
            np.testing.assert_allclose(program(*asked), expected, rtol=1e-6)
