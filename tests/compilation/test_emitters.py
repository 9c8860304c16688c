"""Generated expressions give what PyTensor's own ``perform`` gives."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.vm import VMLinker

from convnet_features.compilation import compile_program, emitters
from convnet_features.compilation.emitters import Scope, emit
from convnet_features.kernels.registry import get_kernels
from convnet_features.ops import conv2d

#: PyTensor's interpreter, which calls each Op's own code.
INTERPRETER = Mode(linker=VMLinker(use_cloop=False, c_thunks=False), optimizer=None)
M, N, V, C, S = (
    pt.matrix("m", dtype="float32"),
    pt.matrix("n", dtype="float32"),
    pt.vector("v", dtype="float32"),
    pt.tensor4("c", dtype="float32"),
    pt.scalar("s", dtype="float32"),
)
I, K = pt.iscalar("i"), pt.ivector("k")  # noqa: E741
INPUTS = [M, N, V, C, S, I, K]


def values(rng):
    shapes = [(3, 5), (3, 5), (5,), (2, 3, 4, 5), ()]
    numbers = [np.asarray(rng.standard_normal(shape), "float32") for shape in shapes]
    return [*numbers, np.asarray(2, "int32"), np.array([0, 2, 1], "int32")]


GRAPHS = {
    "elementwise": M + N * 2,
    "elementwise, three": pt.add(M, N, V),
    "elementwise, scalar": S * 2 + 1,
    "elementwise, mixed": M * I,
    "elementwise, wide": M * np.float64(0.5),
    "elementwise, broadcast": M + V,
    "square": M**2,
    "square of a scalar": S**2,
    "square of integers": K**2,
    "powers, one of them a square": V ** np.array([0, 1, 2, 3, 2], "float32"),
    "comparison": M > N,
    "switch": pt.switch(M > 0, M, N),
    "clip": pt.clip(M, -0.5, 0.5),
    "cast": pt.cast(M, "float64"),
    "cast to integers": pt.cast(M * 10, "int8"),
    "cast of a scalar": pt.cast(S, "float64"),
    "copy": pt.tensor_copy(M),
    "fill": pt.second(M, S),
    "softplus": pt.softplus(M),
    "arithmetic with sizes": M.shape[0] * 2 + 1,
    "scalar arithmetic": pt.tensor_from_scalar(pt.scalar_from_tensor(S) * 2 + 1),
    "reciprocal of integers": pt.reciprocal(K + 3),
    "transpose": M.T,
    "dimshuffle": C.dimshuffle(2, "x", 0, 1, 3),
    "dimshuffle, new axes": V.dimshuffle("x", 0, "x"),
    "dimshuffle, dropped axes": C[:1, :, :1].dimshuffle(3, 1),
    "squeeze": C[:, :1].squeeze(1),
    "sum": M.sum(),
    "sum of an axis": M.sum(axis=0),
    "sum of axes": C.sum(axis=(0, 2, 3)),
    "sum, kept axes": M.sum(axis=1, keepdims=True),
    "sum of integers": K.sum(),
    "sum of truths": (M > 0).sum(axis=0),
    "sum of no axes": M.sum(axis=()),
    "sum, wide": M.sum(axis=0, dtype="float64"),
    "product": M.prod(axis=1),
    "maximum": C.max(axis=(1, 3)),
    "maximum of all": M.max(),
    "minimum": M.min(axis=0),
    "all": (M > -9).all(),
    "any": (M > 1).any(axis=0),
    "mean": M.mean(axis=0),
    "argmax": M.argmax(axis=1),
    "dot": pt.dot(M, N.T),
    "dot with a vector": pt.dot(M, V),
    "dot of vectors": pt.dot(V, V),
    "dot of mixed dtypes": pt.dot(M, N.T.astype("float64")),
    "batched dot": C @ C.dimshuffle(0, 1, 3, 2),
    "shape": M.shape,
    "one size": M.shape[1],
    "reshape": M.reshape((5, 3)),
    "reshape to fit": C.reshape((C.shape[0], -1)),
    "flatten": C.flatten(2),
    "specified shape": pt.specify_shape(M, (3, None)),
    "vector of sizes": pt.stack([M.shape[0], M.shape[1] * 2]),
    "vector of numbers": pt.stack([S, S * 2]),
    "zeros": pt.zeros((M.shape[0], 2)),
    "alloc of a row": pt.alloc(V, 3, V.shape[0]),
    "ones": pt.ones_like(M),
    "element": M[1, 2],
    "row": M[1],
    "last row": M[-1],
    "symbolic row": M[I],
    "slice": M[1:, :-1],
    "slice with a step": M[::2, ::-1],
    "symbolic slice": M[I - 1 : I + 1],
    "ellipsis": C[..., 1],
    "advanced index": M[K],
    "two advanced indices": M[K, K],
    "set a slice": pt.set_subtensor(M[1:, :2], 0),
    "add to a slice": pt.inc_subtensor(M[1], V),
    "join": pt.concatenate([M, N], axis=1),
    "stack": pt.stack([M, N]),
    "repeat": pt.repeat(M, 2, axis=0),
    "tile": pt.tile(V, 3),
    "arange": pt.arange(M.shape[1]),
    "one-hot": pt.eq(K.dimshuffle(0, "x"), pt.arange(3)),
    "eye": pt.eye(4),
    "diagonal": pt.diag(M[:, :3]),
    "cumulated": pt.cumsum(M, axis=1),
    "sorted": pt.sort(M, axis=1),
    "padded": pt.set_subtensor(pt.zeros((5, 7), dtype="float32")[1:-1, 1:-1], M),
    "a constant": pt.constant(np.arange(3.0)) + 1,
}


@pytest.mark.parametrize("name", list(GRAPHS))
def test_expression(name, rng):
    y = GRAPHS[name]
    expected = pytensor.function(INPUTS, y, mode=INTERPRETER, on_unused_input="ignore")
    inputs = values(rng)
    (value,) = compile_program(INPUTS, [y], get_kernels("portable"), fuse=False)(*inputs)
    right = expected(*inputs)
    assert value.dtype == y.type.dtype
    assert value.shape == right.shape
    np.testing.assert_allclose(value, right, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", list(GRAPHS))
def test_nothing_is_written_to_and_no_result_is_anothers(name, rng):
    """Results may look at inputs where PyTensor's own would, and never change them."""
    inputs = values(rng)
    before = [value.copy() for value in inputs]
    for value in inputs:
        value.flags.writeable = False
    compile_program(INPUTS, [GRAPHS[name]], get_kernels("portable"), fuse=False)(*inputs)
    for value, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_a_copy_is_a_copy(rng):
    inputs = values(rng)[0]
    (value,) = compile_program([M], [pt.tensor_copy(M)], get_kernels("portable"))(inputs)
    assert not np.shares_memory(value, inputs)


def test_float32_is_summed_in_float32(rng):
    """PyTensor would sum in float64, at twice the traffic."""
    x = rng.standard_normal((1000, 300)).astype("float32")
    program = compile_program([M], [M.sum(), M.sum(axis=0), M.mean()], get_kernels("portable"))
    total, columns, mean = program(x)
    assert (total.dtype, columns.dtype, mean.dtype) == (np.float32,) * 3
    np.testing.assert_allclose(columns, x.sum(axis=0, dtype="float64"), atol=1e-3)
    np.testing.assert_allclose(total, x.sum(dtype="float64"), atol=1e-2)


def test_a_wrong_shape_is_refused_where_one_is_specified():
    program = compile_program([M], [pt.specify_shape(M, (3, None))], get_kernels("portable"))
    with pytest.raises(ValueError, match=r"shape \(2, 5\) came where \(3, None\) was specified"):
        program(np.zeros((2, 5), "float32"))


class Halves(Op):
    """Two results, in Python."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type(), x.type()])

    def perform(self, node, inputs, output_storage):
        assert isinstance(inputs[0], np.ndarray)
        output_storage[0][0] = inputs[0] / 2
        output_storage[1][0] = inputs[0] - inputs[0] / 2


def test_only_a_length_of_one_that_is_known_is_broadcast(rng):
    """As in Theano: a gradient adds up the axes that were known to be broadcast, and no others."""
    column, matrix = np.ones((3, 1), "float32"), rng.normal(size=(3, 4)).astype("float32")
    kernels = get_kernels("portable")
    for result in (M * N, pt.switch(M > 0, M, N), pt.mean((M - N) ** 2), M + N + S):
        program = compile_program([M, N, S], [result], kernels)
        program(matrix, matrix, np.float32(1))
        for values in ((column, matrix), (matrix, column)):
            with pytest.raises(ValueError, match=r"mis-match .*\(3, 1\)"):
                program(*values, np.float32(1))
    known = compile_program([M, N], [pt.specify_broadcastable(M, 1) * N], kernels)
    np.testing.assert_array_equal(known(column, matrix)[0], matrix)
    with pytest.raises(ValueError, match="mis-match"):
        compile_program([M, V], [M * V], kernels)(column, matrix[0])


def test_operations_of_ones_own(rng):
    first, second = Halves()(M)
    program = compile_program([M], [first + second, second], get_kernels("portable"))
    value = values(rng)[0]
    np.testing.assert_allclose(program(value)[0], value, rtol=1e-6)
    scalar = Halves()(S * 2)
    (value,) = compile_program([S], [scalar[0]], get_kernels("portable"))(np.float32(3))
    assert value == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_loops_and_branches(rng):
    """Operations that make thunks on storage of their own."""
    from convnet_features.theano_facade.functions import ifelse
    from convnet_features.theano_facade.loops import scan

    outputs, _ = scan(lambda row, total: total + row, sequences=M, outputs_info=pt.zeros_like(V))
    branch = ifelse(pt.gt(S, 0), M * 2, M * 3)
    program = compile_program([M, V, S], [outputs, branch], get_kernels("portable"))
    m, _, v, _, _, _, _ = values(rng)
    cumulated, doubled = program(m, v, np.float32(1))
    np.testing.assert_allclose(cumulated, m.cumsum(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(doubled, m * 2)
    assert program(m, v, np.float32(-1))[1][0, 0] == m[0, 0] * 3


def test_every_emitter_is_used():
    """No entry of the table is there in vain: each gives an expression for some graph above."""
    emitted = set()
    scope = Scope(get_kernels("portable"))
    from pytensor.graph.fg import FunctionGraph

    for y in GRAPHS.values():
        for node in FunctionGraph(INPUTS, [y], clone=True).apply_nodes:
            args = [f"a{position}" for position in range(len(node.inputs))]
            _, is_tuple = emit(node, args, scope, (True,) * len(node.outputs))
            if not is_tuple:
                kind = next(k for k, _ in emitters._EMITTERS if isinstance(node.op, k))
                emitted.add(kind.__name__)
    expected = {kind.__name__ for kind, _ in emitters._EMITTERS}
    assert expected - emitted <= {"Shape_i"}  # PyTensor's own rewrites make it


def test_sizes_as_pytensors_rewrites_write_them(rng):
    from pytensor.tensor.shape import Shape_i

    program = compile_program([M], [Shape_i(1)(M)], get_kernels("portable"))
    (size,) = program(values(rng)[0])
    assert (size.dtype, size) == (np.int64, 5)


def test_kernels_come_from_the_engine():
    y = conv2d(C, C)
    scope = Scope(get_kernels("portable"))
    expression, is_tuple = emit(y.owner, ["x", "w"], scope, (True,))
    assert is_tuple
    assert expression.startswith("Conv2D_")
    assert expression.endswith("(x, w)")
