"""Functions of frozen parameters: what they share with others of the same graph, and what they keep."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest
from pytensor import tensor as pt
from pytensor.scan.basic import scan

from convnet_features.compilation import link, rewritten_graph
from convnet_features.kernels.registry import available_engines, get_kernels
from convnet_features.network.model import Model
from convnet_features.network.presets import small_resnet
from convnet_features.theano_facade import theano_scope

PORTABLE = get_kernels("portable")


def test_loops_of_one_graph_wait_for_each_other():
    """PyTensor keeps a loop's function, and its storage, on the Op that all programs have."""
    x, w = pt.fmatrix(), pt.fmatrix()
    states = scan(
        lambda h, w: pt.tanh(pt.dot(h, w)),
        outputs_info=[x],
        non_sequences=[w],
        n_steps=50,
        return_updates=False,
    )
    with theano_scope():
        graph = rewritten_graph([x, w], [states[-1]])
    rng = np.random.default_rng(0)
    given = rng.standard_normal((6, 5)).astype("float32")
    weights = [rng.standard_normal((5, 5)).astype("float32") for _ in range(2)]
    with theano_scope():
        programs = [link(graph, PORTABLE, [None, value]) for value in weights]
    expected = [program(given)[0].copy() for program in programs]
    wrong, start = [], threading.Barrier(2)

    def call(number):
        start.wait()
        for _ in range(40):
            try:
                same = np.array_equal(programs[number](given)[0], expected[number])
            except Exception as error:
                same = repr(error)
            if same is not True:
                wrong.append(same)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_what_would_be_written_into_is_copied():
    x, w = pt.fvector(), pt.fvector()
    increased = pt.inc_subtensor((w * 2)[:1], x[:1], inplace=True)
    program = link(rewritten_graph([x, w], [increased]), PORTABLE, [None, np.ones(3, "float32")])
    for number in (5, 7):
        result = program(np.full(3, number, "float32"))[0]
        np.testing.assert_array_equal(result, [2 + number, 2, 2])


def test_parameters_of_before_are_freed_at_once(rng):
    if "onednn" not in available_engines():
        pytest.skip("onednn is not on this machine")
    model = Model(small_resnet(widths=(8, 16)), (1, 12, 12), 3, "classes", engine="onednn")
    images = rng.standard_normal((4, 1, 12, 12)).astype("float32")
    model.outputs(["pool"], images)
    gc.collect()
    gc.disable()
    try:
        before = weakref.ref(model._laid_out._theta)
        model.values[0][...] *= 2
        model.outputs(["pool"], images)
        assert before() is None
    finally:
        gc.enable()
