"""Models that ask for more than they hold: refused, by the name of the node, before it is done."""

from __future__ import annotations

import re
import time
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from convnet_features.exceptions import FileFormatError, NetworkError
from convnet_features.onnx import from_onnx, wire
from convnet_features.onnx.plan import MAX_DEPTH

from ..helpers import assert_close
from .foreign import Foreign

pytestmark = pytest.mark.onnx

HUGE = 1 << 62


@pytest.fixture
def foreign(rng):
    return Foreign(rng)


def integers(foreign, *values):
    return foreign.constant(np.array(values, np.int64))


#: What a model does with its input of (2, 9, 11), and what is said about it.
REFUSED = {
    "a window beyond the image": (
        lambda f: f("MaxPool", kernel_shape=[1 << 40, 1]),
        "MaxPool",
        "the window (1099511627776, 1) on (9, 11) pixels cannot be read.",
    ),
    "a window beyond the image, rounded up": (
        lambda f: f("MaxPool", kernel_shape=[1 << 40, 1], strides=[1 << 41, 1], ceil_mode=1),
        "MaxPool",
        "the window (1099511627776, 1) on (9, 11) pixels cannot be read.",
    ),
    "a window on padding": (
        lambda f: f("MaxPool", kernel_shape=[1 << 40, 1], pads=[1 << 39, 0, 1 << 39, 0]),
        "MaxPool",
        "the value '/0/MaxPool_output_0' would have the shape (1099511627785, 11)",
    ),
    "a window of an average": (
        lambda f: f("AveragePool", kernel_shape=[1, HUGE], auto_pad="SAME_UPPER"),
        "AveragePool",
        "would have the shape",
    ),
    "taps that lie apart": (
        lambda f: f("MaxPool", kernel_shape=[2, 1], dilations=[1 << 40, 1]),
        "MaxPool",
        "cannot be read.",
    ),
    "numbers of a group": (
        lambda f: f(
            "GroupNormalization", f.weights(1 << 16), f.weights(1 << 16), num_groups=1, axis=1
        ),
        "GroupNormalization",
        "65536 numbers for 2 channels",
    ),
    "a negative window": (
        lambda f: f("MaxPool", kernel_shape=[-1, 1]),
        "MaxPool",
        "kernel_shape=[-1, 1] cannot be read.",
    ),
    "a window of fractions": (
        lambda f: f("MaxPool", kernel_shape=[1.5, 1.5]),
        "MaxPool",
        "kernel_shape of float64 cannot be read.",
    ),
    "dilations": (
        lambda f: f("MaxPool", kernel_shape=[2, 2], dilations=[HUGE, 1]),
        "MaxPool",
        f"the window ({HUGE + 1}, 2) on (9, 11) pixels cannot be read.",
    ),
    "filters of another size": (
        lambda f: f("Conv", f.weights(1, 2, 3, 3), kernel_shape=[HUGE, 3]),
        "Conv",
        f"kernel_shape=[{HUGE}, 3] of (3, 3) cannot be read.",
    ),
    "padding of a convolution": (
        lambda f: f("Conv", f.weights(1, 2, 3, 3), pads=[HUGE, 0, 0, 0]),
        "Conv",
        "would have the shape",
    ),
    "an index": (
        lambda f: f("Gather", f.constant(np.int64(HUGE)), axis=1),
        "Gather",
        f"the index {HUGE} of 2 values cannot be read.",
    ),
    "a negative index": (
        lambda f: f("Gather", f.constant(np.int64(-3)), axis=1),
        "Gather",
        "the index -3 of 2 values cannot be read.",
    ),
    "an axis of Concat": (
        lambda f: f("Concat", f.last, axis=5),
        "Concat",
        "the axis 5 of a value of 4 dimensions cannot be read.",
    ),
    "an axis of a reduction": (
        lambda f: f("ReduceMean", axes=[HUGE]),
        "ReduceMean",
        f"the axis {HUGE} of a value of 4 dimensions cannot be read.",
    ),
    "an axis twice": (
        lambda f: f("ReduceMean", axes=[2, -2]),
        "ReduceMean",
        "the axes [2, 2], one of them twice, cannot be read.",
    ),
    "an axis of Squeeze": (
        lambda f: f("Squeeze", integers(f, 7)),
        "Squeeze",
        "the axis 7 of a value of 4 dimensions cannot be read.",
    ),
    "an axis of Unsqueeze": (
        lambda f: f("Unsqueeze", integers(f, -9)),
        "Unsqueeze",
        "the axis -9 of a value of 5 dimensions cannot be read.",
    ),
    "dimensions without end": (
        lambda f: f("Unsqueeze", integers(f, *range(1, 40))),
        "Unsqueeze",
        "in at most 8 dimensions.",
    ),
    "no order of axes": (
        lambda f: f("Transpose", perm=[0, 1, 1, 3]),
        "Transpose",
        "the axes in the order [0, 1, 1, 3] cannot be read.",
    ),
    "an axis of Slice": (
        lambda f: f("Slice", integers(f, 0), integers(f, 1), integers(f, 9)),
        "Slice",
        "the axis 9 of a value of 4 dimensions cannot be read.",
    ),
    "a slice of nothing": (
        lambda f: f("Slice", integers(f, HUGE), integers(f, HUGE), integers(f, 2)),
        "Slice",
        "would have the shape (2, 0, 11)",
    ),
    "a shape": (
        lambda f: f("Reshape", integers(f, -1, HUGE, 4)),
        "Reshape",
        f"values of shape (2, 9, 11) reshaped to [{HUGE}, 4] cannot be read.",
    ),
    "a shape of fractions": (
        lambda f: f("Reshape", f.constant(np.float32([-1, 198]))),
        "Reshape",
        "a shape of float32 cannot be read.",
    ),
    "sizes without end": (
        lambda f: f("Reshape", integers(f, 0, *[HUGE] * 80_000)),
        "Reshape",
        "a shape of more than 9 sizes, 80001, cannot be read.",
    ),
    "a constant of sizes without end": (
        lambda f: f(
            "Add", f("ConstantOfShape", first=integers(f, *[HUGE] * 80_000)), first="input.1"
        ),
        "ConstantOfShape",
        "a constant of 80000 dimensions; at most 8 are read",
    ),
    "the number of samples as a size": (
        lambda f: f(
            "Reshape", f("Concat", f("Shape"), first=integers(f, 0), axis=0), first="input.1"
        ),
        "Reshape",
        "a shape with the number of samples behind its first place cannot be read.",
    ),
    "the shape of nothing": (
        lambda f: [f.nodes.append(helper.make_node("Shape", [], ["s"])), setattr(f, "last", "s")],
        "Shape",
        "lacks its input 0.",
    ),
    "a part of a shape": (
        lambda f: f("Shape", start=1.5),
        "Shape",
        "has start=1.5 and end=None; they must be whole numbers, or be left out.",
    ),
    "a part of a constant's shape": (
        lambda f: f("Add", f("Shape", first=f.weights(3), end="all"), first="input.1"),
        "Shape",
        "makes no sense: slice indices must be integers",
    ),
    "a border": (
        lambda f: f("Pad", integers(f, 0, 0, HUGE, 0, 0, 0, 0, 0)),
        "Pad",
        "would have the shape",
    ),
    "a border of nothing": (
        lambda f: f("Pad", integers(f, 0, 0, 1, 0, 0, 0, 0, 0), f.constant(np.float32(np.nan))),
        "Pad",
        "a border of nan cannot be read.",
    ),
    "neighbours": (lambda f: f("LRN", size=HUGE + 1), "LRN", f"size={HUGE + 1} cannot be read."),
    "an exponent": (lambda f: f("LRN", size=3, beta=np.inf), "LRN", "beta=inf cannot be read."),
    "a slope": (lambda f: f("LeakyRelu", alpha=np.nan), "LeakyRelu", "alpha=nan cannot be read."),
    "a factor": (
        lambda f: f("Mul", f.constant(np.float32(np.inf))),
        "Mul",
        "a product with numbers that are not finite cannot be read.",
    ),
    "a divisor": (
        lambda f: f("Div", f.constant(np.float64(1e-300))),
        "Div",
        "a product with numbers that are not finite cannot be read.",
    ),
    "a negative variance": (
        lambda f: f(
            "BatchNormalization",
            *[f.constant(np.full(2, each, np.float32)) for each in (1, 0, 0, -1)],
        ),
        "BatchNormalization",
        "must be finite floats; they are float64 with NaN or infinity.",
    ),
    "weights that overflow when they are joined": (
        lambda f: [
            f("Conv", f.constant(np.full((1, 2, 3, 3), 1e30, np.float32))),
            f("Mul", f.constant(np.full((1, 1, 1), 1e30, np.float32))),
        ],
        "Mul",
        "must be finite floats; they are float64 with NaN or infinity.",
    ),
    "a name twice": (
        lambda f: f.nodes.extend([helper.make_node("Relu", ["input.1"], ["y"]) for _ in range(2)]),
        "Relu",
        "computes 'y', which there is already.",
    ),
    "the input's name": (
        lambda f: f.nodes.append(helper.make_node("Relu", ["input.1"], ["input.1"])),
        "Relu",
        "computes 'input.1', which there is already.",
    ),
    "a constant's name": (
        lambda f: f.nodes.append(helper.make_node("Relu", ["input.1"], [f.weights(3)])),
        "Relu",
        "computes 'onnx::c0', which there is already.",
    ),
    "a circle": (
        lambda f: [f("Add", "/1/Relu_output_0"), f("Relu")],
        "Add",
        "needs '/1/Relu_output_0', which no node before it computes.",
    ),
    "a node without a result": (
        lambda f: f.nodes.append(helper.make_node("Relu", ["input.1"], [])),
        "Relu",
        "has 1 inputs and 0 outputs;",
    ),
    "operands without end": (
        lambda f: f("Sum", *["input.1"] * 5000),
        "Sum",
        "has 5001 inputs and 1 outputs; 0 to 1000 and 1 to 1000 are read.",
    ),
    "a cast to text": (
        lambda f: f("Conv", f("Cast", first=f.weights(1, 2, 3, 3), to=8), first="input.1"),
        "Cast",
        "float32 as object",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, foreign):
    spoil, operator, text = REFUSED[name]
    spoil(foreign)
    began = time.perf_counter()
    with pytest.raises((FileFormatError, NetworkError)) as caught:
        from_onnx(foreign.model(), engine="portable")
    assert time.perf_counter() - began < 5
    assert re.match(rf"from_onnx: node \S+ \({operator}\)", str(caught.value))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "spoil"),
    [
        ((1, 1 << 20, 1), lambda f: f("MaxPool", kernel_shape=[4096, 1], dilations=[1, 2])),
        ((1, 1 << 20, 1), lambda f: f("MaxPool", kernel_shape=[1 << 15, 1], dilations=[2, 1])),
        (
            (1, 1 << 20, 1),
            lambda f: f("Resize", "", "", integers(f, 1, 1, (1 << 20) + 1, 1), mode="linear"),
        ),
    ],
)
def test_images_of_many_rows(rng, shape, spoil):
    """Neither taps nor weights of a resizing are written down for them."""
    foreign = Foreign(rng, shape)
    spoil(foreign)
    tracemalloc.start()
    with pytest.raises((FileFormatError, NetworkError), match="from_onnx"):
        from_onnx(foreign.model(opset=18), engine="portable")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def all_needed(foreign, names):
    """Join constants: those that nothing needs are not computed."""
    foreign("Concat", *names[1:], first=names[0], axis=0)


def casts(foreign):
    """One constant, cast a thousand times: 4 GB."""
    name = foreign.constant(np.zeros(1_000_000, np.int8))
    all_needed(foreign, [foreign("Cast", first=name, to=1) for _ in range(1000)])


def chained_casts(foreign):
    foreign.last = foreign.constant(np.zeros(1_000_000, np.int8))
    for number in range(1000):
        foreign("Cast", to=11 if number % 2 else 1)


def transposed_copies(foreign):
    name = foreign.constant(np.zeros((1000, 1000), np.int8))
    size = integers(foreign, 1_000_000)
    copies = [foreign("Reshape", size, first=foreign("Transpose", first=name)) for _ in range(1000)]
    all_needed(foreign, copies)


def outer_product(foreign):
    """A product of a column and a row: 4 TB."""
    row = foreign.constant(np.ones((1, 1_000_000), np.float32))
    column = foreign("Transpose", first=row)
    foreign("Mul", column, first=row)


def filled(foreign):
    """A shape of a few bytes: 8 TB."""
    foreign("ConstantOfShape", first=integers(foreign, 1 << 20, 1 << 21))


def gathered(foreign):
    """The same rows again and again: 40 GB."""
    rows = foreign.constant(np.ones((1, 100_000), np.float32))
    foreign("Gather", foreign.constant(np.zeros(100_000, np.int8)), first=rows)


def one_weight_in_many_layers(foreign):
    """Each layer has a copy: 4 GB of parameters."""
    filters = foreign.weights(100, 100, 10, 10)
    foreign("Conv", foreign.weights(100, 2, 1, 1))
    for _ in range(700):
        foreign("Conv", filters, auto_pad="SAME_UPPER")


def channels_without_end(foreign):
    """A slope a channel, of a value with 67 million channels."""
    foreign.shape = (1 << 26, 1, 1)
    foreign("PRelu", foreign.constant(np.float32(1)))


def packed_dimensions(foreign):
    """A constant whose numbers take a byte each in the file, and eight in memory."""
    model_constant = helper.make_tensor(
        "t", TensorProto.INT64, [1_000_000], np.ones(1_000_000, int)
    )
    foreign.constants.append(model_constant)
    all_needed(foreign, [foreign("Cast", first="t", to=11) for _ in range(300)])


@pytest.mark.parametrize(
    "spoil",
    [
        casts,
        chained_casts,
        transposed_copies,
        outer_product,
        filled,
        gathered,
        one_weight_in_many_layers,
        channels_without_end,
        packed_dimensions,
    ],
)
def test_numbers_are_bounded_by_the_file(spoil, foreign):
    spoil(foreign)
    data = foreign.model().SerializeToString()
    limit = 16 * len(data) + 2**24
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError) as caught:
            from_onnx(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert re.match(
        r"from_onnx: node \S+ \(\w+\): .*the constants and weights up to here take more than "
        rf"{limit} bytes, far more than are in the file\.$|"
        r"from_onnx: node \S+ \(\w+\): the constants and weights",
        str(caught.value),
    )
    assert peak < 2 * limit


def test_half_precision_weights_are_no_amplification(foreign, run, images):
    """What exporters write: float16 constants, cast, transposed and reshaped before their use."""
    weights = foreign.rng.normal(size=(3, 3, 2, 16)).astype(np.float16)
    name = foreign("Cast", first=foreign.constant(weights), to=1)
    name = foreign("Transpose", first=name, perm=[3, 2, 0, 1])
    foreign("Conv", name, first="input.1")
    model = foreign.model()
    (expected,) = run(model, images).values()
    assert_close(from_onnx(model).transform(images), expected.reshape(len(images), -1), "float32")


def test_rows_of_layers(foreign, images):
    """As deep as anybody's network, and no deeper than the compiler goes."""
    for _ in range(MAX_DEPTH):
        foreign("Relu")
    model = foreign.model()
    extractor = from_onnx(model, engine="portable")
    assert len(extractor.layers_) == MAX_DEPTH + 1
    foreign("Relu")
    with pytest.raises(FileFormatError) as caught:
        from_onnx(foreign.model())
    assert str(caught.value) == (
        "from_onnx: node 800 (Relu): '/800/Relu_output_0' would be layer 801 of a row; at most 800 "
        "are read."
    )


@pytest.mark.slow
def test_the_deepest_network_computes(foreign, images):
    for _ in range(MAX_DEPTH // 2):
        foreign("Conv", foreign.constant(np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)))
        foreign("Relu")
        foreign("LeakyRelu", alpha=0.5)
    found = from_onnx(foreign.model(), engine="portable").transform(images)
    assert_close(found, np.maximum(images, 0).reshape(len(images), -1), "float32")


def test_nine_thousand_nodes_in_a_row(foreign):
    for _ in range(9000):
        foreign("Relu")
    with pytest.raises(FileFormatError, match=r"would be layer 801 of a row; at most 800 are read"):
        from_onnx(foreign.model())


def test_nine_thousand_nodes_that_do_nothing(foreign, images):
    for _ in range(9000):
        foreign("Identity")
    foreign("Relu")
    extractor = from_onnx(foreign.model())
    assert_close(extractor.transform(images), np.maximum(images, 0).reshape(len(images), -1))


def test_outputs_without_end(foreign):
    """Looking for one that can be read takes one walk, not one for each."""
    for _ in range(700):
        foreign("Relu")
    foreign("Unknown")
    model = foreign.model()
    model.graph.output.extend([model.graph.output[0]] * 20_000)
    began = time.perf_counter()
    with pytest.raises(NetworkError, match=r"\(Unknown\) cannot be read"):
        from_onnx(model)
    assert time.perf_counter() - began < 20


def test_too_many_constants(foreign):
    foreign("Relu")
    model = foreign.model()
    model.graph.initializer.extend(
        numpy_helper.from_array(np.float32(0), str(i)) for i in range(20_001)
    )
    with pytest.raises(FileFormatError) as caught:
        from_onnx(model)
    assert str(caught.value) == "from_onnx: the model has 20001 constants; at most 20000 are read."
    del model.graph.initializer[:]
    model.graph.initializer.extend([numpy_helper.from_array(np.float32(0), "same")] * 2)
    with pytest.raises(FileFormatError, match=r"from_onnx: two constants are called 'same'\."):
        from_onnx(model)


def test_lists_of_attributes_are_counted(foreign):
    """Two bytes of a file become an object of 32, and a place in a list."""
    foreign("Relu", many=[1])
    model = foreign.model()
    model.graph.node[0].attribute[0].ints.extend([1] * 2_500_000)
    tracemalloc.start()
    with pytest.raises(FileFormatError) as caught:
        from_onnx(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value).startswith("from_onnx: node 0 (Relu): 'many': the constants and")
    assert peak < 10e6  # the list itself would take 20


def sparse(values, places, shape):
    return helper.make_sparse_tensor(
        numpy_helper.from_array(np.asarray(values, np.float32), "onnx::sparse"),
        numpy_helper.from_array(np.asarray(places, np.int64), "places"),
        shape,
    )


class TestSparse:
    """Tensors that may be far larger than the file."""

    @pytest.mark.parametrize(
        ("places", "shape"), [([[0, 0, 0], [1, 0, 0]], (2, 1, 1)), ([0, 1], (2, 1, 1))]
    )
    @pytest.mark.parametrize("as_attribute", [False, True])
    def test_values(self, places, shape, as_attribute, foreign, images):
        tensor = sparse([2.0, -3.0], places, shape)
        foreign("Add", "onnx::sparse")
        model = foreign.model()
        if as_attribute:
            node = helper.make_node("Constant", [], ["onnx::sparse"], sparse_value=tensor)
            model.graph.node.insert(0, node)
        else:
            model.graph.sparse_initializer.append(tensor)
        features = from_onnx(model, engine="portable").transform(images)
        expected = images + np.float32([2, -3])[:, None, None]
        assert_close(features, expected.reshape(3, -1), "float32")

    @pytest.mark.parametrize(
        ("places", "shape", "text"),
        [
            ([0], (1 << 20, 1 << 20), "take more than .* bytes, far more than are in the file"),
            ([5], (2, 2), "said to be of shape \\(2, 2\\), cannot be read"),
            ([-1], (2, 2), "its indices must be whole numbers of at least 0"),
            ([[0, 0, 0]], (2, 2), "cannot be read"),
            ([0], (-1, -1), "none of them negative"),
            ([0], (1,) * 9, "at most 8 sizes"),
        ],
    )
    def test_refused(self, places, shape, text, foreign):
        foreign("Relu")
        model = foreign.model()
        tensor = sparse([1.0], places, (1,) * len(shape))
        tensor.dims[:] = shape
        model.graph.sparse_initializer.append(tensor)
        with pytest.raises(FileFormatError, match=text):
            from_onnx(model)

    def test_names(self, foreign):
        foreign("Relu")
        model = foreign.model()
        model.graph.sparse_initializer.extend([sparse([1.0], [0], (2,))] * 2)
        with pytest.raises(FileFormatError, match="two constants are called 'onnx::sparse'"):
            from_onnx(model)


@pytest.mark.parametrize("what", ["input", "output"])
def test_too_many_values_of_the_graph(foreign, what):
    foreign("Relu")
    model = foreign.model()
    values = getattr(model.graph, what)
    values.extend([values[0]] * 20_001)
    with pytest.raises(FileFormatError) as caught:
        from_onnx(model)
    assert str(caught.value) == f"from_onnx: the model has 20002 {what}s; at most 20001 are read."


class TestFields:
    """Two bytes of a file may be a message that the parser takes 200 bytes for."""

    def test_too_many(self, monkeypatch):
        """Refused before they are parsed, wherever they are."""
        monkeypatch.setattr(onnx, "load_model_from_string", None)
        nodes = onnx.GraphProto(node=[onnx.NodeProto(attribute=[onnx.AttributeProto()] * 500)] * 2)
        data = onnx.ModelProto(graph=nodes).SerializeToString()
        monkeypatch.setattr(wire, "MAX_FIELDS", 1002)
        with pytest.raises(FileFormatError) as caught:
            from_onnx(data)
        assert str(caught.value) == (
            "from_onnx: the model has more than 1002 fields; no more are read."
        )
        # The graph, its nodes, and their attributes.
        monkeypatch.setattr(wire, "MAX_FIELDS", 1003)
        wire.check_fields(data)

    def test_numbers_are_not_counted(self, foreign, monkeypatch):
        """Of constants: there is no end of them in a large network."""
        foreign(
            "Conv", foreign.constant(np.ones((4, 2, 50, 50), np.float32)), auto_pad="SAME_LOWER"
        )
        foreign.constants.append(helper.make_tensor("t", TensorProto.INT64, [9000], [1] * 9000))
        monkeypatch.setattr(wire, "MAX_FIELDS", 100)
        wire.check_fields(foreign.model().SerializeToString())

    @pytest.mark.parametrize(
        "data",
        [b"\xff" * 100, b"\x3a\xff", b"\x3a\x05\x0a", b"\x3b\x3b", b"\x0d\x01", b"\x0f\x0f", b""],
    )
    def test_what_is_no_model_is_left_to_the_parser(self, data):
        wire.check_fields(data)
        with pytest.raises(FileFormatError, match="this is not an ONNX model"):
            from_onnx(data)


@pytest.mark.parametrize("shape", [(1 << 40, 1, 1), (1 << 20, 1 << 20, 3)])
def test_inputs_without_end(foreign, shape):
    foreign("Relu")
    foreign.shape = shape
    with pytest.raises(FileFormatError, match=r"the value 'input' would have the shape \([13], 10"):
        from_onnx(foreign.model())


@pytest.mark.parametrize("factors", [[1e38, 1e38], [1e-38, 1e-38]])
def test_scales_that_are_none(foreign, factors):
    for factor in factors:
        foreign("Mul", foreign.constant(np.float32(factor)))
    foreign("Relu")
    with pytest.raises(
        FileFormatError, match=r"the input is multiplied by .*, which is no scale\."
    ):
        from_onnx(foreign.model())


# What is strange, but can only mean one thing.


@pytest.mark.parametrize(
    "build",
    [
        lambda f: f("MaxPool", kernel_shape=[3, 3], strides=[1 << 40, 1 << 40]),
        lambda f: f("Conv", f.weights(3, 2, 3, 3), strides=[1 << 30, 1 << 30]),
        lambda f: f(
            "Slice",
            integers(f, 1),
            integers(f, (1 << 63) - 1),
            integers(f, 2),
            integers(f, 1 << 40),
        ),
        lambda f: f("MaxPool", kernel_shape=[9, 11], ceil_mode=1, strides=[5, 5]),
        lambda f: f("Gather", f.constant(np.int64(-1)), axis=-1),
    ],
)
def test_read_all_the_same(build, foreign, run, images):
    build(foreign)
    model = foreign.model()
    (expected,) = run(model, images).values()
    found = from_onnx(model, engine="portable").transform(images)
    assert_close(found, expected.reshape(len(images), -1), "float32")


def test_squeeze_without_axes(foreign, images):
    """All axes of size 1."""
    foreign("ReduceMean", axes=[2, 3])
    foreign("Squeeze")
    found = from_onnx(foreign.model(), engine="portable").transform(images)
    assert_close(found, images.mean((2, 3)), "float32")
    assert onnx.__version__
