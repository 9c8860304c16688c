"""Modes: one way to compile, and two that watch what is computed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.compile.debugmode import DebugMode
from theano.compile.mode import get_default_mode
from theano.compile.monitormode import MonitorMode
from theano.compile.nanguardmode import NanGuardMode

x = T.vector("x")
VALUES = np.array([1, 4], "float32")


@pytest.mark.parametrize(
    "mode",
    [
        "FAST_RUN",
        "FAST_COMPILE",
        "DebugMode",
        "NanGuardMode",
        theano.Mode(optimizer="fast_compile"),
        theano.Mode(linker="py", optimizer=None),
        theano.compile.Mode("cvm", "fast_run").excluding("fusion", "inplace"),
        get_default_mode().including("local_remove_all_assert").clone(optimizer="merge"),
        DebugMode(),
        MonitorMode(),
        None,
    ],
    ids=str,
)
def test_every_mode_computes_the_same(mode):
    """None of them leads to PyTensor's own compiler, which takes seconds."""
    function = theano.function([x], [T.sqrt(x), T.grad(T.log(x).sum(), x)], mode=mode)
    assert "numba" not in type(function.maker.linker).__name__.lower()
    root, gradient = function(VALUES)
    assert root.tolist() == [1, 2]
    assert gradient.tolist() == [1, 0.25]
    again = pickle.loads(pickle.dumps(function)) if not isinstance(mode, MonitorMode) else function
    assert again(VALUES)[0].tolist() == [1, 2]


def test_a_name_that_is_no_mode():
    with pytest.raises(ValueError, match=r"theano.function: mode must be one of .*; got 'FAST'"):
        theano.function([x], x, mode="FAST")


def test_a_monitor_sees_every_node():
    """The recipe that scripts copied to find the first NaN."""
    found = []

    def detect_nan(i, node, fn):
        if any(np.isnan(output[0]).any() for output in fn.outputs):
            found.append((str(node), [np.array(value[0]) for value in fn.inputs]))

    mode = MonitorMode(post_func=detect_nan).excluding("local_elemwise_fusion", "inplace")
    function = theano.function([x], T.log(x) * x, mode=mode)
    function(VALUES)
    assert found == []
    with np.errstate(invalid="ignore"):
        function(np.array([-1, 1], "float32"))
    first, values = found[0]
    assert first.startswith("Log")
    assert values[0].tolist() == [-1, 1]


def test_a_monitor_is_called_before_too():
    order = []
    mode = MonitorMode(
        pre_func=lambda i, node, fn: order.append(f"before {i}"),
        post_func=lambda i, node, fn: order.append(f"after {i}"),
    )
    theano.function([x], T.exp(x), mode=mode)(VALUES)
    assert order == ["before 0", "after 0"]


@pytest.mark.parametrize(
    ("expression", "values", "text"),
    [
        (T.log(x), [-1, 1], "NaN computed by Log"),
        (1 / x, [0, 1], "infinity computed by "),
        (T.exp(x), [30, 1], "a number above 1e10 computed by Exp"),
        (x + 1, [np.nan, 1], "NaN in the input x"),
    ],
)
def test_the_guard_raises(expression, values, text):
    function = theano.function([x], expression, mode=NanGuardMode())
    function(VALUES)
    with np.errstate(all="ignore"), pytest.raises(AssertionError, match=f"NanGuardMode: {text}"):
        function(np.array(values, "float32"))


def test_the_guard_raises_for_what_it_is_told():
    mode = NanGuardMode(nan_is_error=True, inf_is_error=False, big_is_error=False)
    function = theano.function([x], 1 / x, mode=mode)
    with np.errstate(all="ignore"):
        assert np.isinf(function(np.array([0, 1], "float32"))[0])


def test_the_guard_within_training_and_convolution():
    W = theano.shared(np.ones((2, 1, 3, 3), "float32"))
    images = T.tensor4("images")
    cost = T.nnet.conv2d(images, W).sum()
    step = theano.function(
        [images], cost, updates=[(W, W - 0.1 * T.grad(cost, W))], mode=NanGuardMode()
    )
    assert step(np.ones((1, 1, 3, 3), "float32")) == 18
    np.testing.assert_allclose(W.get_value(), 0.9, rtol=1e-6)


def test_a_guard_may_be_a_flag():
    theano.config.mode = "NanGuardMode"
    try:
        guarded = theano.function([x], T.log(x))
        plain = theano.function([x], T.log(x), mode="FAST_RUN")
    finally:
        theano.config.mode = "FAST_RUN"
    assert not np.isfinite(plain(0 * VALUES)).any()
    with pytest.raises(AssertionError, match="NanGuardMode: infinity computed by Log"):
        guarded(0 * VALUES)


def test_a_monitor_asks_for_nan_beside_random_numbers():
    """Both of the recipes of Theano's documentation; the older one spares no ``RandomState``."""
    seen = []

    def detect_nan(i, node, fn):
        for output in [*fn.inputs, *fn.outputs]:
            assert not np.isnan(output[0]).any()
            seen.append(np.array(output[0]).dtype)

    noise = T.shared_randomstreams.RandomStreams(1).normal(x.shape)
    watched = theano.function([x], x + noise, mode=MonitorMode(post_func=detect_nan))
    assert not np.array_equal(watched(VALUES), watched(VALUES))
    assert np.dtype("uint64") in seen
