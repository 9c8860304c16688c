"""Dropout as Lasagne writes it, and what it becomes."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.scalar.basic import TrueDiv

from convnet_features.compilation import compile_program
from convnet_features.compilation.linker import compilation_rewriter
from convnet_features.kernels.contract import ConvStage, DenseStage, MaskStage, PoolStage
from convnet_features.kernels.registry import get_kernels
from convnet_features.ops import conv2d, pool2d
from convnet_features.ops.random import Bernoulli, bernoulli, normal
from convnet_features.ops.stages import Stages

from ..graphs import count, fused
from ..helpers import assert_close

ENGINES = ["portable", pytest.param("onednn", marks=pytest.mark.onednn)]
RNG = pytensor.shared(np.random.default_rng(0)).type


def dropout(x, rng, p, dtype="float32"):
    """``lasagne.layers.DropoutLayer.get_output_for``."""
    retained = np.float32(1 - p)
    return x / retained * bernoulli(rng, x.shape, retained, dtype=dtype)[1]


def with_gradient(y, x, fuse):
    """y, and the gradient of its sum of squares, differentiated after fusing as in training."""
    rewriter = compilation_rewriter(fuse)
    (y,) = rewrite_graph([y], include=(), custom_rewrite=rewriter, clone=True)
    return [y, grad(pt.sum(y * y), x)]


def run(inputs, outputs, values, fuse):
    program = compile_program(inputs, outputs, get_kernels("portable"), fuse=fuse)
    return program(np.random.default_rng(3), *values)


@pytest.mark.parametrize("p", [0.5, 0.2, 0.9])
def test_one_multiplication_with_the_same_values(p, rng):
    generator, x = RNG(), pt.fmatrix()
    value = rng.standard_normal((5, 7)).astype("float32")
    plain, quick = (with_gradient(dropout(x, generator, p), x, fuse) for fuse in (False, True))
    graph = fused([generator, x], quick)
    assert count(graph, TrueDiv) == 0
    assert count(graph, Bernoulli) == 1
    plain = run([generator, x], plain, [value], fuse=False)
    for one, other in zip(run([generator, x], quick, [value], fuse=True), plain, strict=True):
        assert_close(one, other, "float32")
    assert (plain[0] == 0).any()
    assert (plain[0] != 0).any()


class TestWhatMustNotMatch:
    def check(self, outputs, rng):
        generator, x = outputs[0]
        value = rng.standard_normal((5, 7)).astype("float32")
        plain = run([generator, x], outputs[1], [value], fuse=False)
        together = run([generator, x], outputs[1], [value], fuse=True)
        for one, other in zip(together, plain, strict=True):
            assert_close(one, other, np.asarray(other).dtype)

    def test_a_mask_used_elsewhere(self, rng):
        generator, x = RNG(), pt.fmatrix()
        mask = bernoulli(generator, x.shape, np.float32(0.7))[1]
        self.check(((generator, x), [x / np.float32(0.7) * mask, mask]), rng)

    def test_a_quotient_used_elsewhere(self, rng):
        generator, x = RNG(), pt.fmatrix()
        quotient = x / np.float32(0.7)
        mask = bernoulli(generator, x.shape, np.float32(0.7))[1]
        self.check(((generator, x), [quotient * mask, quotient]), rng)

    def test_a_mask_of_another_dtype(self, rng):
        generator, x = RNG(), pt.fmatrix()
        for dtype in ("float64", "int8"):
            self.check(((generator, x), [dropout(x, generator, 0.3, dtype)]), rng)

    def test_a_mask_that_is_broadcast(self, rng):
        generator, x = RNG(), pt.fmatrix()
        mask = bernoulli(generator, (x.shape[0], 1), np.float32(0.7))[1]
        self.check(((generator, x), [x / np.float32(0.7) * mask]), rng)

    def test_another_draw(self, rng):
        generator, x = RNG(), pt.fmatrix()
        noise = normal(generator, x.shape)[1]
        self.check(((generator, x), [x / np.float32(0.7) * noise]), rng)

    def test_a_quotient_by_something_variable(self, rng):
        generator, x = RNG(), pt.fmatrix()
        mask = bernoulli(generator, x.shape, np.float32(0.7))[1]
        self.check(((generator, x), [x / x.sum() * mask, x / x * mask]), rng)


def test_draws_from_one_generator_in_turn(rng):
    """The second draw goes on where the first stopped, fused or not."""
    generator, x = RNG(), pt.fmatrix()
    value = rng.standard_normal((5, 7)).astype("float32")
    p = np.float32(0.7)
    following, first = bernoulli(generator, x.shape, p)
    _, second = bernoulli(following, x.shape, p)
    outputs = [x / p * first, abs(x) / p * second]
    plain = run([generator, x], outputs, [value], fuse=False)
    for one, other in zip(run([generator, x], outputs, [value], fuse=True), plain, strict=True):
        assert_close(one, other, "float32")


def test_the_advanced_generator_is_the_same(rng):
    generator, x = RNG(), pt.fmatrix()
    p = np.float32(0.7)
    following, mask = bernoulli(generator, x.shape, p)
    value = rng.standard_normal((5, 7)).astype("float32")
    states = []
    for fuse in (False, True):
        advanced, _ = run([generator, x], [following, x / p * mask], [value], fuse)
        states.append(advanced.bit_generator.state)
    assert states[0] == states[1]


class TestInStacks:
    """Behind a layer, dropout is one of its graph's stages."""

    def network(self, generators):
        x = pt.tensor(dtype="float32", shape=(None, 2, 7, 8))
        v = pt.tensor(dtype="float32", shape=(3, 2, 2, 3))
        w = pt.tensor(dtype="float32", shape=(27, 5))
        images = pool2d(conv2d(x, v), window=(2, 2))
        images = (
            images / np.float32(0.7) * bernoulli(generators[0], images.shape, np.float32(0.7))[1]
        )
        units = pt.dot(images.flatten(2), w)
        units = units * bernoulli(generators[1], units.shape, np.float32(0.5))[1]
        return [x, v, w], units

    def values(self, rng):
        shapes = ((11, 2, 7, 8), (3, 2, 2, 3), (27, 5))
        return [rng.standard_normal(shape).astype("float32") for shape in shapes]

    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_whole_network_is_one_node(self, engine, rng):
        generators = [RNG(), RNG()]
        inputs, units = self.network(generators)
        graph = fused([*generators, *inputs], units)
        (op,) = (node.op for node in graph.apply_nodes if isinstance(node.op, Stages))
        kinds = [type(stage) for stage in op.graph.stages]
        assert kinds == [ConvStage, PoolStage, MaskStage, DenseStage, MaskStage]
        values, results = self.values(rng), []
        for fuse in (False, True):
            rewriter = compilation_rewriter(fuse)
            (y,) = rewrite_graph([units], include=(), custom_rewrite=rewriter, clone=True)
            outputs = [y, *grad(pt.sum(pt.sin(y)), inputs)]
            kernels = get_kernels(engine)
            program = compile_program([*generators, *inputs], outputs, kernels, fuse=fuse)
            results.append(program(*map(np.random.default_rng, (3, 4)), *values))
        for one, other in zip(*results, strict=True):
            assert_close(one, other, "float32")
        assert 0.2 < (results[0][0] == 0).mean() < 0.8

    def test_a_mask_that_is_no_draw_is_multiplied(self, rng):
        """It might have a gradient."""
        x, w, mask = pt.fmatrix(), pt.fmatrix(), pt.fmatrix()
        y = pt.dot(x, w) * mask
        graph = fused([x, w, mask], y)
        (op,) = (node.op for node in graph.apply_nodes if isinstance(node.op, Stages))
        assert [type(stage) for stage in op.graph.stages] == [DenseStage]

    def test_a_mask_that_is_broadcast_is_multiplied(self, rng):
        generator, x, w = RNG(), pt.fmatrix(), pt.tensor(dtype="float32", shape=(7, 5))
        y = pt.dot(x, w)
        y = y * bernoulli(generator, (y.shape[0], 1), np.float32(0.7))[1]
        graph = fused([generator, x, w], y)
        (op,) = (node.op for node in graph.apply_nodes if isinstance(node.op, Stages))
        assert [type(stage) for stage in op.graph.stages] == [DenseStage]
