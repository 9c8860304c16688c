"""Nodes that choose between two graphs."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from convnet_features.exceptions import EngineWarning, FileFormatError, NetworkError
from convnet_features.onnx import from_onnx

from ..helpers import assert_close
from .foreign import Foreign


@pytest.fixture
def foreign(rng):
    return Foreign(rng)


def branch(name, nodes, output, constants=()):
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(array, key) for key, array in constants]
    return helper.make_graph(nodes, name, [], [value], initializer=tensors)


def choice(foreign, condition, first, second):
    foreign.nodes.append(
        helper.make_node(
            "If", [condition], ["chosen"], name="if", then_branch=first, else_branch=second
        )
    )
    foreign.last = "chosen"


def pooled_or_not(foreign, rows):
    """PyTorch's way with `squeeze`: one axis fewer where there is one row."""
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    x = foreign.last
    shape = foreign("Shape")
    size = foreign("Gather", foreign.constant(np.int64(2)), first=shape)
    condition = foreign("Equal", foreign.constant(np.int64(rows)), first=size)
    first = [helper.make_node("Relu", [x], ["one"]), helper.make_node("Neg", ["one"], ["two"])]
    second = [helper.make_node("Mul", [x, "half"], ["three"])]
    choice(
        foreign,
        condition,
        branch("then", first, "two"),
        branch("else", second, "three", [("half", np.float32(0.5))]),
    )
    foreign("Sigmoid")


@pytest.mark.parametrize("rows", [7, 1])
def test_a_condition_about_sizes(foreign, images, run, rows):
    pooled_or_not(foreign, rows)
    model = foreign.model()
    extractor = from_onnx(model, engine="portable")
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(extractor.transform(images), expected, "float32")
    assert len(extractor.layers_) == (5 if rows == 7 else 4)


def test_branches_within_branches_and_values_that_pass(foreign, images, run):
    foreign("Relu")
    x = foreign.last
    inner = branch("inner", [helper.make_node("Identity", [x], ["x2"])], "x2")
    other = branch("other", [helper.make_node("Neg", [x], ["x3"])], "x3")
    yes = foreign.constant(np.array(True))
    nested = helper.make_node("If", [yes], ["y"], then_branch=inner, else_branch=other)
    unused = branch("unused", [helper.make_node("Abs", [x], ["x4"])], "x4")
    choice(foreign, yes, branch("outer", [nested], "y"), unused)
    foreign("Add", "chosen", first=x)
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    extractor = from_onnx(model, engine="portable")
    assert_close(extractor.transform(images), expected, "float32")


def test_a_condition_that_depends_on_the_image(foreign):
    foreign("Relu")
    one = branch("one", [helper.make_node("Neg", [foreign.last], ["a"])], "a")
    other = branch("other", [helper.make_node("Abs", [foreign.last], ["b"])], "b")
    choice(foreign, foreign.last, one, other)
    with pytest.raises(NetworkError, match=r"node 'if' \(If\) cannot be read; what can be is"):
        from_onnx(foreign.model(), engine="portable")


def test_a_name_that_there_is_already(foreign):
    x = foreign("Relu")
    one = branch("one", [helper.make_node("Neg", [x], [x])], x)
    choice(foreign, foreign.constant(np.array([True])), one, one)
    with pytest.raises(FileFormatError, match=r"\(If\) computes '/0/Relu_output_0', which there"):
        from_onnx(foreign.model(), engine="portable")


def test_a_branch_that_computes_nothing(foreign):
    foreign("Relu")
    one = branch("one", [], "nowhere")
    choice(foreign, foreign.constant(np.array([True])), one, one)
    with pytest.raises(FileFormatError, match=r"\(If\) needs 'nowhere', which nothing computes"):
        from_onnx(foreign.model(), engine="portable")


def test_onnxruntime_computes_branches_that_share_their_names(foreign, images, run):
    """What a branch names is the branch's alone."""
    condition = foreign.constant(np.array(True))
    for number in (1, 2):
        x, output = foreign.last, f"chosen{number}"
        graphs = {}
        for key, operator in (("then_branch", "Neg"), ("else_branch", "Relu")):
            inner = helper.make_node(operator, [x], ["inner"])
            last = helper.make_node("Identity", ["inner"], [f"{key}{number}"])
            graphs[key] = branch(key, [inner, last], f"{key}{number}")
        foreign.nodes.append(helper.make_node("If", [condition], [output], **graphs))
        foreign.last = output
    model = foreign.model()
    with pytest.warns(EngineWarning, match="a second branch with a value 'inner' cannot be read"):
        extractor = from_onnx(model)
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(extractor.transform(images), expected, "float32")
