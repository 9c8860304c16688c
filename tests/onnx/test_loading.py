"""Models of other origin, sound and hostile."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import scipy.special
from lasagne import layers as ll
from lasagne import nonlinearities as nl
from onnx import TensorProto, helper
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from convnet_features import nonlinearities as own
from convnet_features.exceptions import EngineWarning, FileFormatError, NetworkError
from convnet_features.layers import BiasLayer, BroadcastMergeLayer, ScaleLayer
from convnet_features.onnx import from_onnx, to_onnx
from convnet_features.onnx import reading as reading_module

from ..fresh_import import after_importing
from ..helpers import assert_close
from .foreign import Foreign

pytestmark = pytest.mark.onnx


@pytest.fixture
def foreign(rng):
    return Foreign(rng)


@pytest.fixture
def assert_reads(run, images):
    """from_onnx computes what onnxruntime does; gives the extractor."""

    def check(model, X=images, **options):
        extractor = from_onnx(model, engine="portable", **options)
        (expected,) = run(model, X).values()
        assert_close(extractor.transform(X), expected.reshape(len(X), -1), "float32")
        return extractor

    return check


def test_convolution_normalisation_rectifier(foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3), pads=[1, 1, 1, 1])
    statistics = [foreign.weights(4, positive=True) for _ in range(4)]
    foreign("BatchNormalization", *statistics, epsilon=1e-3)
    foreign("Relu")
    foreign("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    foreign("Conv", foreign.weights(5, 4, 3, 3), foreign.weights(5), strides=[2, 1])
    foreign("Relu")
    foreign("GlobalAveragePool")
    foreign("Flatten")
    foreign("Gemm", foreign.weights(7, 5), foreign.weights(7), transB=1)
    extractor = assert_reads(foreign.model())
    classes = [type(layer) for layer in extractor.layers_.values()]
    # The normalisation and the rectifiers joined the convolutions.
    assert classes[:4] == [ll.InputLayer, ll.Conv2DLayer, ll.MaxPool2DLayer, ll.Conv2DLayer]
    assert list(extractor.layers_)[1] == "_2_Relu_output_0"


def test_network_of_cntk(rng, assert_reads):
    """MNIST's model in the ONNX zoo: SAME_UPPER, biases added, weights reshaped in the graph."""
    foreign = Foreign(rng, (1, 28, 28))
    for channels, filters, extent, step in ((1, 8, 5, 2), (8, 16, 5, 3)):
        weights = foreign.weights(filters, channels, extent, extent)
        foreign("Conv", weights, kernel_shape=[extent] * 2, auto_pad="SAME_UPPER")
        foreign("Add", foreign.weights(filters, 1, 1))
        foreign("Relu")
        foreign("MaxPool", kernel_shape=[step] * 2, strides=[step] * 2, auto_pad="NOTSET")
    flat = foreign("Reshape", foreign.constant(np.array([1, 256])))
    reshaped = foreign(
        "Reshape", foreign.constant(np.array([256, 10])), first=foreign.weights(16, 4, 4, 10)
    )
    foreign("MatMul", reshaped, first=flat)
    foreign("Add", foreign.weights(1, 10))
    X = rng.normal(size=(1, 1, 28, 28)).astype(np.float32)
    extractor = assert_reads(foreign.model(opset=8, batch=1), X)
    # The network itself does not mind more than one image.
    assert extractor.transform(np.repeat(X, 3, axis=0)).shape == (3, 10)


WRITTEN = Path(__file__).parent.parent / "data" / "onnx"


@pytest.fixture(params=["torchscript", "dynamo"])
def written(request):
    """A network that PyTorch wrote by one of its exporters, images, and PyTorch's answers."""

    def read(name):
        with np.load(WRITTEN / f"{name}.npz") as held:
            return WRITTEN / f"{name}.{request.param}.onnx", held["x"], held["y"]

    return read


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("tutorial", {ll.Conv2DLayer, ll.MaxPool2DLayer, ll.DenseLayer}),
        ("normalised", {ll.Conv2DLayer, ll.MaxPool2DLayer, ll.Pool2DLayer, ll.DenseLayer}),
    ],
)
def test_networks_of_pytorch(written, name, kinds):
    path, X, expected = written(name)
    extractor = from_onnx(path)
    assert kinds <= {type(layer) for layer in extractor.layers_.values()}
    np.testing.assert_allclose(extractor.transform(X), expected, rtol=0, atol=1e-6)


def test_network_of_pytorch_that_gives_logarithms(written):
    path, X, expected = written("log_softmax")
    np.testing.assert_allclose(from_onnx(path).transform(X), expected, rtol=0, atol=1e-5)


def test_network_of_pytorch_whose_head_cannot_be_read(written):
    """The error names the head, and the value to stop at."""
    path, X, expected = written("log_softmax")
    model = onnx.load(path)
    (head,) = (node for node in model.graph.node if node.op_type == "LogSoftmax")
    head.domain = "com.example"
    with pytest.raises(NetworkError, match=r"\(com\.example:LogSoftmax\) cannot be read") as error:
        from_onnx(model, engine="portable")
    output = re.search(r"Give output='(.+?)' to", str(error.value))[1]
    scores = from_onnx(model, output=output, engine="portable").transform(X)
    np.testing.assert_allclose(scipy.special.log_softmax(scores, 1), expected, rtol=0, atol=1e-5)


POOLINGS = {
    "max, ceil": ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3], "ceil_mode": 1}),
    "max, ceil, padded": (
        "MaxPool",
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    ),
    "max, uneven pads": ("MaxPool", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1]}),
    "max, same": ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "average": ("AveragePool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "average, ceil": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "average, ceil, no pads to be counted": (
        "AveragePool",
        {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1},
    ),
    "average, counted": (
        "AveragePool",
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 2, 1], "count_include_pad": 1},
    ),
    "average, same": (
        "AveragePool",
        {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER", "count_include_pad": 1},
    ),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling(name, foreign, assert_reads):
    operator, attributes = POOLINGS[name]
    foreign(operator, **attributes)
    assert_reads(foreign.model())


def test_uneven_padding_of_a_convolution(foreign, assert_reads):
    foreign("Conv", foreign.weights(3, 2, 2, 4), pads=[1, 0, 0, 3], strides=[1, 2])
    assert_reads(foreign.model())


TRANSPOSED = {
    "plain": {},
    "strided, cut": {"strides": [2, 3], "pads": [1, 0, 1, 0]},
    "more cut off behind": {"strides": [2, 2], "pads": [0, 1, 1, 2]},
    "more cut off before": {"strides": [2, 3], "pads": [1, 2, 0, 0]},
    "output padding": {"strides": [2, 3], "output_padding": [1, 2]},
    "output shape": {"strides": [3, 3], "output_shape": [26, 33]},
    "upper": {"strides": [2, 3], "auto_pad": "SAME_UPPER"},
    "lower": {"strides": [2, 3], "auto_pad": "SAME_LOWER"},
    "dilated, grouped": {"dilations": [2, 1], "group": 2, "pads": [1, 1, 1, 1]},
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution(name, foreign, assert_reads):
    attributes = TRANSPOSED[name]
    filters = 4 // attributes.get("group", 1)
    foreign("ConvTranspose", foreign.weights(2, filters, 3, 4), foreign.weights(4), **attributes)
    statistics = [foreign.weights(4, positive=True) for _ in range(4)]
    foreign("BatchNormalization", *statistics)
    foreign("Relu")
    extractor = assert_reads(foreign.model())
    # What is behind it joins it, wherever nothing is to be sliced off in between.
    sliced = name in ("more cut off behind", "upper")
    assert (len(extractor.layers_) == 2) == (not sliced)


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"output_padding": [2, 0], "strides": [2, 2]}, "a transposed convolution of"),
        ({"kernel_shape": [2, 2]}, r"kernel_shape=\[2, 2\] of \(3, 4\)"),
        ({"pads": [0, 0, -1, 0]}, r"pads=\[0, 0, -1, 0\]"),
        ({"group": 3}, "group=3 of 2 channels"),
        ({"pads": [6, 6, 6, 6]}, "a transposed convolution of"),
    ],
)
def test_transposed_convolutions_that_cannot_be_read(attributes, text, foreign):
    foreign("ConvTranspose", foreign.weights(2, 4, 3, 4), **attributes)
    with pytest.raises(NetworkError, match=f"from_onnx: .*ConvTranspose.*{text}"):
        from_onnx(foreign.model(), engine="portable")


def test_normalisation_without_a_convolution(foreign, assert_reads):
    statistics = [foreign.weights(2, positive=True) for _ in range(4)]
    foreign("BatchNormalization", *statistics)
    foreign("Relu")
    foreign("Flatten")
    statistics = [foreign.weights(198, positive=True) for _ in range(4)]
    foreign("BatchNormalization", *statistics)
    assert_reads(foreign.model())


def test_a_normalisation_alone_goes_on_from_its_statistics(foreign, assert_reads):
    statistics = [foreign.weights(2, positive=True) for _ in range(4)]
    foreign("BatchNormalization", *statistics, epsilon=0.01)
    extractor = assert_reads(foreign.model())
    values = [onnx.numpy_helper.to_array(each) for each in foreign.constants]
    layer = last_of(extractor)
    for param, value in zip((layer.gamma, layer.beta, layer.mean), values, strict=False):
        np.testing.assert_array_equal(param.get_value(), value)
    np.testing.assert_allclose(layer.inv_std.get_value(), 1 / np.sqrt(values[3] + 0.01), rtol=1e-6)
    assert layer.epsilon == pytest.approx(0.01)


#: What does nothing to images of 4 channels.
IDLE = {
    "Identity": lambda foreign: foreign("Identity"),
    "Dropout": lambda foreign: foreign("Dropout"),
    "Reshape": lambda foreign: foreign("Reshape", foreign.constant([0, 4, 7, 9])),
    "Concat": lambda foreign: foreign("Concat", axis=1),
    "Clip": lambda foreign: foreign("Clip"),
}


@pytest.mark.parametrize("joined", ["Relu", "Mul", "Add", "BatchNormalization"])
@pytest.mark.parametrize("idle", IDLE)
def test_what_does_nothing_hides_no_other_use(idle, joined, foreign, assert_reads):
    """The sum is used as it is too, so nothing behind the idle node may join it."""
    raw = foreign("Conv", foreign.weights(4, 2, 3, 3))
    IDLE[idle](foreign)
    shapes = {"Relu": [], "BatchNormalization": [(4,)] * 4}.get(joined, [(4, 1, 1)])
    foreign(joined, *[foreign.weights(*shape, positive=True) for shape in shapes])
    foreign("Sub", raw)
    assert_reads(foreign.model())


def test_a_gate_does_not_join_what_is_used_under_another_name(foreign, assert_reads):
    """Swish is no part of the convolution where the sum reads the convolution too."""
    raw = foreign("Conv", foreign.weights(4, 2, 3, 3))
    again = foreign("Identity")
    foreign("Sigmoid")
    foreign("Mul", raw)
    foreign("Add", again)
    assert_reads(foreign.model())


def test_the_shape_of_the_input_is_that_of_what_is_given(rng, assert_reads):
    """Rows that become images keep their own length."""
    foreign = Foreign(rng, (18,))
    foreign("Reshape", foreign.constant([-1, 2, 3, 3]))
    images = foreign("Conv", foreign.weights(4, 2, 2, 2))
    foreign("Shape", first="input.1")
    foreign("Gather", foreign.constant(1))
    foreign("Cast", to=TensorProto.FLOAT)
    foreign("Mul", images)
    assert_reads(foreign.model(), np.float32(rng.normal(size=(5, 18))))


def test_several_values_that_were_expanded(foreign, assert_reads):
    """Their sum has the size that they were expanded to."""
    sizes = foreign.constant([1, 1, 1, 11])
    foreign("ReduceMax", axes=[3])
    one = foreign("Expand", sizes)
    foreign("ReduceMin", axes=[3], first="input.1")
    other = foreign("Expand", sizes)
    foreign("ReduceMean", axes=[2, 3], first="input.1")
    foreign("Sum", one, other)
    assert_reads(foreign.model())


def test_nearest_pixels_where_corners_are_aligned(rng, assert_reads):
    """Positions that are whole numbers are not rounded below them."""
    foreign = Foreign(rng, (1, 2, 2))
    sizes = foreign.constant([5, 1, 42, 56])
    foreign(
        "Resize",
        "",
        "",
        sizes,
        mode="nearest",
        coordinate_transformation_mode="align_corners",
        nearest_mode="floor",
    )
    assert_reads(foreign.model(batch=5), np.float32(rng.normal(size=(5, 1, 2, 2))))


def test_the_number_of_samples_as_a_divisor(foreign, images, run):
    """No layer knows it: onnxruntime computes the model."""
    foreign("Shape")
    foreign("Gather", foreign.constant(0))
    count = foreign("Cast", to=TensorProto.FLOAT)
    foreign("Div", count, first="input.1")
    model = foreign.model()
    with pytest.warns(EngineWarning, match="onnxruntime computes the model instead"):
        extractor = from_onnx(model)
    (expected,) = run(model, images).values()
    assert_close(extractor.transform(images), expected.reshape(len(images), -1), "float32")


def test_one_number_a_sample_is_left_to_onnxruntime(foreign, images, run):
    mean = foreign("ReduceMean", axes=[1, 2, 3], keepdims=0)
    foreign("Unsqueeze", foreign.constant([1, 2, 3]), first=mean)
    foreign("Sub", foreign.last, first="input.1")
    model = foreign.model()
    with pytest.warns(EngineWarning, match="onnxruntime computes the model instead"):
        extractor = from_onnx(model)
    (expected,) = run(model, images).values()
    assert_close(extractor.transform(images), expected.reshape(len(images), -1), "float32")


def test_dropout_that_is_always_on(foreign):
    foreign("Dropout", foreign.constant(np.float32(0.5)), foreign.constant(True))
    with pytest.raises(NetworkError, match="dropout outside of training cannot be read"):
        from_onnx(foreign.model(), engine="portable")


def test_what_cannot_be_read_rightly(foreign):
    """Broadcasting of old from an axis; a bias of each sample; samples behind one another."""
    foreign("Add", foreign.weights(2), axis=1, broadcast=1)
    with pytest.raises(NetworkError, match="broadcasting from an axis cannot be read"):
        from_onnx(foreign.model(opset=6), engine="portable")
    foreign = Foreign(foreign.rng)
    foreign("Flatten")
    foreign("Gemm", foreign.weights(198, 3), foreign.weights(3, 1))
    with pytest.raises(NetworkError, match=r"a bias of shape \(3, 1\)"):
        from_onnx(foreign.model(batch=3), engine="portable")
    foreign = Foreign(foreign.rng)
    one = foreign("Transpose", perm=[0, 2, 3, 1])
    foreign("Transpose", perm=[0, 2, 3, 1], first="input.1")
    foreign("Concat", one, axis=0)
    with pytest.raises(NetworkError, match="samples put behind one another"):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("operator", ["Mul", "Div"])
def test_a_scale_of_the_input_is_of_that_use_alone(operator, foreign, assert_reads):
    scaled = foreign(operator, foreign.constant(np.float32(0.5)))
    foreign("Conv", foreign.weights(2, 2, 3, 3), first="input.1", pads=[1, 1, 1, 1])
    foreign("Add", scaled)
    extractor = assert_reads(foreign.model())
    assert extractor.input_scale == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_of_a_split_is_the_output(place, foreign, assert_reads, run, images):
    """The parts that nothing uses are left out, so that the network's output is the one asked."""
    foreign("Conv", foreign.weights(7, 2, 3, 3))
    foreign("Split", foreign.constant([2, 4, 1]), axis=1)
    names = [f"part{number}" for number in range(3)]
    foreign.nodes[-1].output[:] = names
    foreign.last = names[place]
    model = foreign.model()
    extractor = assert_reads(model)
    (expected,) = run(model, images).values()
    assert_close(extractor.predict(images), expected, "float32")
    assert len(extractor.layers_) == 3


def last_of(extractor):
    """Its last layer."""
    return list(extractor.layers_.values())[-1]


ACTIVATIONS = {
    "Celu": {"alpha": 0.6},
    "Elu": {"alpha": 0.7},
    "Erf": {},
    "Gelu": {},
    "Gelu, tanh": {"approximate": "tanh"},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSigmoid, as it is": {},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.2},
    "Mish": {},
    "Selu": {},
    "Selu, given": {"alpha": 1.5, "gamma": 1.2},
    "Softplus": {},
    "Softsign": {},
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, foreign, assert_reads):
    """In the convolution in front of it; and it survives a pickle."""
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign(name.partition(",")[0], **ACTIVATIONS[name])
    extractor = assert_reads(foreign.model(opset=20))
    assert len(extractor.layers_) == 2
    again = pickle.loads(pickle.dumps(extractor))
    function, other = (last_of(each).nonlinearity for each in (extractor, again))
    assert function == other or vars(function) == vars(other)


CLIPS = [(0, 6), (-0.5, 0.25), (None, 1), (-0.5, None), (0, None), (None, None)]


@pytest.mark.parametrize("as_inputs", [True, False])
@pytest.mark.parametrize(("low", "high"), CLIPS)
def test_clip(low, high, as_inputs, foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    if as_inputs:
        bounds = ["" if b is None else foreign.constant(np.float32(b)) for b in (low, high)]
        foreign("Clip", *bounds)
    else:
        given = {"min": low, "max": high}
        foreign("Clip", **{name: float(b) for name, b in given.items() if b is not None})
    extractor = assert_reads(foreign.model(opset=17 if as_inputs else 6))
    assert len(extractor.layers_) == 2
    if low == 0:
        function = last_of(extractor).nonlinearity
        assert function == (own.relu6 if high else nl.rectify)


def test_bounds_of_a_clip_that_are_none(foreign):
    """PyTorch writes the largest numbers where a bound is missing; crossed bounds are refused."""
    largest = float(np.finfo(np.float32).max)
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("Clip", foreign.constant(np.float32(0)), foreign.constant(np.float32(largest)))
    assert last_of(from_onnx(foreign.model())).nonlinearity is nl.rectify
    foreign("Clip", foreign.constant(np.float32(2)), foreign.constant(np.float32(1)))
    with pytest.raises(NetworkError, match=r"Clip.*the bounds 2\.0 and 1\.0 cannot be read"):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("slopes", [(4, 1, 1), (1,), (1, 4, 1, 1)])
def test_parametric_rectifier(slopes, foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("PRelu", foreign.weights(*slopes))
    assert_reads(foreign.model())


def test_slopes_that_differ_by_pixel(foreign):
    foreign("PRelu", foreign.weights(2, 9, 11))
    with pytest.raises(NetworkError, match=r"PRelu.*slopes of shape \(2, 9, 11\)"):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
@pytest.mark.parametrize("turned", [False, True])
def test_product_of_a_value_with_its_gate(gate, turned, foreign, assert_reads):
    """SiLU and HardSwish, which exporters spell out, join the convolution."""
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    gates = foreign(gate, **({"alpha": 1 / 6} if gate == "HardSigmoid" else {}))
    foreign("Mul", *([gates] if turned else [conv]), first=conv if turned else gates)
    foreign("Conv", foreign.weights(3, 4, 3, 3))
    extractor = assert_reads(foreign.model())
    assert len(extractor.layers_) == 3
    swish = own.swish if gate == "Sigmoid" else own.hard_swish
    assert list(extractor.layers_.values())[1].nonlinearity is swish


@pytest.mark.parametrize("also", ["the value", "the gate"])
def test_gate_that_something_else_uses(also, foreign, assert_reads):
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    gates = foreign("Sigmoid")
    foreign("Mul", conv)
    foreign("Add", conv if also == "the value" else gates)
    assert_reads(foreign.model())


def test_gelu_spelt_out(foreign, assert_reads):
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("Div", foreign.constant(np.float32(np.sqrt(2))))
    foreign("Erf")
    foreign("Add", foreign.constant(np.float32(1)))
    foreign("Mul", conv)
    foreign("Mul", foreign.constant(np.float32(0.5)))
    assert_reads(foreign.model())


def hard_swish_divided_last(foreign, x):
    foreign("Add", foreign.constant(np.float32(3)))
    foreign("Clip", foreign.constant(np.float32(0)), foreign.constant(np.float32(6)))
    foreign("Mul", x)
    foreign("Div", foreign.constant(np.float32(6)))


def hard_swish_divided_first(foreign, x):
    foreign("Add", foreign.constant(np.float32(3)))
    foreign("Clip", foreign.constant(np.float32(0)), foreign.constant(np.float32(6)))
    foreign("Mul", foreign.constant(np.float32(1 / 6)))
    foreign("Mul", foreign.last, first=x)


def mish_of_logarithms(foreign, x):
    foreign("Exp")
    foreign("Add", foreign.constant(np.float32(1)))
    foreign("Log")
    foreign("Tanh")
    foreign("Mul", x)


@pytest.mark.parametrize(
    ("spell", "function"),
    [
        (hard_swish_divided_last, own.hard_swish),
        (hard_swish_divided_first, own.hard_swish),
        (mish_of_logarithms, own.mish),
    ],
)
@pytest.mark.parametrize("also", [None, "the gate", "the value"])
def test_functions_spelt_out(spell, function, also, foreign, assert_reads):
    """Each is one stage, behind its convolution; what others read stays as it is."""
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    spell(foreign, conv)
    if also is not None:
        result = foreign.last
        other = conv if also == "the value" else foreign.nodes[2].output[0]
        foreign("Add", other, first=result)
    extractor = assert_reads(foreign.model())
    if also is None:
        kinds = [step.kernel for step in extractor.explain()]
        assert not any("NumPy" in kind for kind in kinds), kinds
    if also is None and function is own.hard_swish:
        assert list(extractor.layers_.values())[1].nonlinearity is function


@pytest.mark.parametrize("before", ["a convolution", "a pooling"])
def test_a_hard_sigmoid_spelt_out(before, foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    if before == "a pooling":
        foreign("MaxPool", kernel_shape=[2, 2])
    foreign("Add", foreign.constant(np.float32(3)))
    foreign("Clip", foreign.constant(np.float32(0)), foreign.constant(np.float32(6)))
    foreign("Div", foreign.constant(np.float32(6)))
    extractor = assert_reads(foreign.model())
    functions = [getattr(layer, "nonlinearity", None) for layer in extractor.layers_.values()]
    assert any(type(function) is own.HardSigmoid for function in functions)


def test_squeeze_and_excitation(foreign, assert_reads):
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("GlobalAveragePool")
    foreign("Conv", foreign.weights(2, 4, 1, 1))
    foreign("Relu")
    foreign("Conv", foreign.weights(4, 2, 1, 1))
    gates = foreign("HardSigmoid", alpha=1 / 6)
    foreign("Mul", conv, first=gates)
    extractor = assert_reads(foreign.model())
    assert type(last_of(extractor)) is BroadcastMergeLayer
    # One program: no step is left for anything else.
    kinds = {step.kernel for step in extractor.explain()}
    assert kinds <= {"oneDNN", "portable"}, kinds


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"])
@pytest.mark.parametrize("size", [(4, 1, 1), (1, 7, 9), (1, 1, 1), (4, 7, 9)])
def test_arithmetic_of_two_values(operator, size, foreign, assert_reads):
    conv = foreign("Conv", foreign.weights(4, 2, 3, 3))
    axes = [axis for axis, n in enumerate(size, 1) if n == 1]
    if axes:
        for axis in axes:
            foreign("ReduceMax", axes=[axis], first=foreign.last)
    else:
        foreign("Conv", foreign.weights(4, 2, 3, 3), first="input.1")
    foreign("Softplus")  # not near 0, by which a quotient would be of no digits
    foreign(operator, foreign.last, first=conv)
    assert_reads(foreign.model())


@pytest.mark.parametrize("constant", [(), (2, 1, 1)])
def test_constant_minus_a_value(constant, foreign, assert_reads):
    foreign("Sub", "input.1", first=foreign.weights(*constant))
    assert_reads(foreign.model())


def test_value_used_twice_keeps_its_layer(foreign, assert_reads):
    """A residual block: the rectifier must not change what goes round it."""
    conv = foreign("Conv", foreign.weights(2, 2, 3, 3), pads=[1, 1, 1, 1])
    foreign("Dropout")
    foreign("Relu")
    foreign("Conv", foreign.weights(2, 2, 3, 3), pads=[1, 1, 1, 1])
    foreign("Add", conv)
    foreign("LeakyRelu", alpha=0.2)
    assert_reads(foreign.model())


def test_arithmetic_on_the_input(foreign, assert_reads):
    foreign("Div", foreign.constant(np.float32(255)))
    foreign("Sub", foreign.constant(np.float32([0.5, 0.25]).reshape(1, 2, 1, 1)))
    foreign("Div", foreign.constant(np.float32([0.2, 0.3]).reshape(2, 1, 1)))
    foreign("Conv", foreign.weights(3, 2, 3, 3))
    assert assert_reads(foreign.model()).input_scale_ == pytest.approx(1 / 255)


def test_constants_that_nothing_takes_up_are_no_normalisation(foreign, assert_reads, images):
    """A later training would let a normalisation look at the batch."""
    foreign("Sub", foreign.weights(2, 1, 1))
    foreign("Div", foreign.weights(1, 2, 1, 1, positive=True))
    foreign("MaxPool", kernel_shape=[2, 2])
    foreign("Mul", foreign.weights(2, 8, 1))
    foreign("Add", foreign.constant(np.float32(0.5)))
    foreign("Mul", foreign.weights(10))
    layers = assert_reads(foreign.model()).layers_
    kinds = [type(layer) for layer in layers.values()]
    assert kinds[1:] == [
        BiasLayer,
        ScaleLayer,
        ll.MaxPool2DLayer,
        ScaleLayer,
        BiasLayer,
        ScaleLayer,
    ]
    shapes = [p.get_value().shape for layer in layers.values() for p in layer.get_params()]
    assert shapes == [(2,), (2,), (2, 8), (), (10,)]


@pytest.mark.parametrize("constant", [(3, 2, 9, 11), (5, 9, 11), (1, 1, 2, 9, 11)])
@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_constants_that_are_larger_than_the_value(operator, constant, foreign):
    foreign(operator, foreign.weights(*constant))
    with pytest.raises(NetworkError, match=rf"node 0 \({operator}\): a constant of shape"):
        from_onnx(foreign.model(), engine="portable")


def test_training_goes_on(foreign, images, rng):
    """Numbers are learnt as they are; their mean and deviation are not known."""
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("GlobalAveragePool")
    foreign("Flatten")
    extractor = from_onnx(foreign.model(), engine="portable").set_params(
        update_learning_rate=0.1, update_momentum=0, batch_size=3
    )
    W = next(p for p in extractor._model.network.params if p.name.endswith(".W"))
    before, y = W.get_value(), rng.normal(size=(3, 4)) + 5
    outputs = extractor.predict(images)
    extractor.partial_fit(images, y)
    # One step down the mean of the squared error, whose gradient finite differences give.
    place = (1, 0, 2, 1)
    moved = W.get_value()
    losses = []
    for step in (-1e-2, 1e-2):
        W.set_value(before)
        W.get_value(borrow=True)[place] += step
        losses.append(np.square(extractor.predict(images) - y).mean())
    assert outputs.dtype == np.float32
    gradient = (losses[1] - losses[0]) / 2e-2
    np.testing.assert_allclose((before - moved)[place], 0.1 * gradient, rtol=1e-3)


def test_targets_that_do_not_suit_what_was_read(foreign, images):
    foreign("GlobalAveragePool")
    foreign("Flatten")
    extractor = from_onnx(foreign.model(), engine="portable")
    with pytest.raises(ValueError, match="y has 3 columns, and the network gives 2 numbers"):
        extractor.partial_fit(images, np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"y holds 1e\+300, which is too large for the float32"):
        extractor.partial_fit(images, np.full((3, 2), 1e300))


def test_one_bias_a_pixel(foreign, assert_reads):
    foreign("Conv", foreign.weights(3, 2, 3, 3), foreign.weights(3))
    foreign("Add", foreign.weights(3, 7, 9))
    foreign("Tanh")
    extractor = assert_reads(foreign.model())
    assert len(extractor.layers_) == 2


@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_of_the_pixels(foreign, assert_reads, keepdims):
    foreign("Conv", foreign.weights(3, 2, 3, 3))
    foreign("ReduceMean", axes=[2, 3], keepdims=keepdims)
    foreign("Transpose" if keepdims else "Sigmoid", **({"perm": [0, 2, 3, 1]} if keepdims else {}))
    assert_reads(foreign.model())


def _size(foreign, value, place):
    """One size of a value, as PyTorch's older exporter asks for it."""
    shape = foreign("Shape", first=value)
    size = foreign("Gather", foreign.constant(np.int64(place)), first=shape, axis=0)
    return foreign("Unsqueeze", foreign.constant(np.int64([0])), first=size)


@pytest.mark.parametrize("behind", ["computed", "-1"])
def test_flatten_by_the_shape(behind, foreign, assert_reads):
    maps = foreign("Conv", foreign.weights(4, 2, 3, 3))
    maps = foreign("Relu")
    rest = foreign.constant(np.int64([-1]))
    if behind == "computed":
        sizes = [_size(foreign, maps, place) for place in (1, 2, 3)]
        rest = foreign("Mul", sizes[1], first=sizes[0])
        rest = foreign("Mul", sizes[2], first=rest)
    shape = foreign("Concat", rest, first=_size(foreign, maps, 0), axis=0)
    foreign("Reshape", shape, first=maps)
    foreign("Gemm", foreign.weights(252, 5))
    extractor = assert_reads(foreign.model())
    # Who asks for a shape does not need the value: the rectifier joined the convolution.
    assert type(list(extractor.layers_.values())[1]) is ll.Conv2DLayer
    assert list(extractor.layers_.values())[1].nonlinearity is nl.rectify


def test_channel_shuffle(foreign, assert_reads):
    maps = foreign("Conv", foreign.weights(6, 2, 3, 3))
    n, c, h, w = (_size(foreign, maps, place) for place in range(4))
    two = foreign.constant(np.int64([2]))
    each = foreign("Cast", first=foreign("Div", two, first=c), to=7)
    foreign("Reshape", foreign("Concat", two, each, h, w, first=n, axis=0), first=maps)
    groups = foreign("Transpose", perm=[0, 2, 1, 3, 4])
    shape = foreign("Concat", foreign.constant(np.int64([-1])), h, w, first=n, axis=0)
    foreign("Reshape", shape, first=groups)
    foreign("Conv", foreign.weights(3, 6, 1, 1))
    assert_reads(foreign.model())


def test_sizes_that_depend_on_the_samples(foreign):
    n = _size(foreign, "input.1", 0)
    half = foreign("Div", foreign.constant(np.int64([2])), first=n)
    shape = foreign("Concat", foreign.constant(np.int64([-1])), first=half, axis=0)
    foreign("Reshape", shape, first="input.1")
    with pytest.raises(NetworkError, match=r"\(Div\).*depends on the number of samples"):
        from_onnx(foreign.model(), engine="portable")


SPLITS = {
    "equal": ({"axis": 1}, None, 13),
    "given": ({"axis": 1}, [2, 4], 13),
    "of rows": ({"axis": -2}, [3, 4], 13),
    "as an attribute": ({"axis": 1, "split": [1, 5]}, None, 11),
    "uneven": ({"axis": 2, "num_outputs": 2}, None, 18),
}


@pytest.mark.parametrize("name", SPLITS)
def test_split(name, foreign, assert_reads):
    attributes, sizes, opset = SPLITS[name]
    foreign("Conv", foreign.weights(6, 2, 3, 3))
    operands = [] if sizes is None else [foreign.constant(np.int64(sizes))]
    first = foreign("Split", *operands, **attributes)
    foreign.nodes[-1].output.append("second")
    foreign("Relu", first="second")
    foreign("Concat", first, first=foreign.last, axis=attributes["axis"])
    assert_reads(foreign.model(opset=opset))


@pytest.mark.parametrize(
    ("sizes", "match"), [([2, 3], r"6 split into 2 parts of \[2, 3\]"), ([7, -1], "6 split into")]
)
def test_splits_that_do_not_fit(sizes, match, foreign):
    foreign("Conv", foreign.weights(6, 2, 3, 3))
    foreign("Split", foreign.constant(np.int64(sizes)), axis=1)
    foreign.nodes[-1].output.append("second")
    with pytest.raises(NetworkError, match=match):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [1, 2], [3, 1]])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [17, 18])
def test_reductions(operator, axes, keepdims, opset, foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    if opset == 18:
        foreign(operator, foreign.constant(np.int64(axes)), keepdims=keepdims)
    else:
        foreign(operator, axes=axes, keepdims=keepdims)
    assert_reads(foreign.model(opset=opset))


def test_reduction_of_everything(foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("ReduceMean", axes=[1, 2, 3])
    assert_reads(foreign.model())


def test_slice_by_attributes(foreign, assert_reads):
    foreign("Slice", starts=[1, -9], ends=[5, 10**9], axes=[2, 3])
    assert_reads(foreign.model(opset=9))


@pytest.mark.parametrize("axis", [1, -3])
def test_axis_of_a_flatten(axis, foreign, assert_reads):
    foreign("Flatten", axis=axis)
    assert_reads(foreign.model())


def test_output_to_stop_at(foreign, images, run):
    features = foreign("Conv", foreign.weights(3, 2, 3, 3))
    foreign("LSTM")
    model = foreign.model()
    with pytest.raises(NetworkError, match=r"node .*LSTM.* cannot be read.*Conv.*Give output="):
        from_onnx(model, engine="portable")
    extractor = from_onnx(model, output=features)
    assert extractor.transform(images).shape == (3, 3 * 7 * 9)
    with pytest.raises(FileFormatError, match="computes 'nowhere'"):
        from_onnx(model, output="nowhere")


def test_sources(foreign, tmp_path, images):
    foreign("Conv", foreign.weights(3, 2, 3, 3))
    model = foreign.model()
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    results = [
        from_onnx(source).transform(images)
        for source in (model, path, str(path), model.SerializeToString())
    ]
    assert all(np.array_equal(result, results[0]) for result in results)
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "nothing.onnx")


def test_open_sizes(foreign, images):
    foreign("Conv", foreign.weights(3, 2, 3, 3))
    foreign.shape = (2, "height", "width")
    with pytest.raises(FileFormatError, match="give input_shape="):
        from_onnx(foreign.model())
    assert from_onnx(foreign.model(), input_shape=(2, 9, 11)).transform(images).shape == (3, 189)


def test_estimator(foreign, images):
    """What comes out is an estimator like any other, that counts as fitted."""
    foreign("Conv", foreign.weights(3, 2, 3, 3))
    foreign("Relu")
    foreign("Flatten")
    foreign("Gemm", foreign.weights(189, 4))
    extractor = from_onnx(foreign.model(), engine="portable")
    features = extractor.transform(images)
    assert extractor.get_feature_names_out()[0] == "_3_Gemm_output_00"
    np.testing.assert_array_equal(extractor.predict(images), features)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(extractor)).transform(images), features)
    clone(extractor)
    pipeline = make_pipeline(FrozenEstimator(extractor), LogisticRegression())
    pipeline.fit(images, [0, 1, 1])
    np.testing.assert_array_equal(extractor.transform(images), features)
    maps = extractor.set_params(feature_layer="_1_Relu_output_0").transform(images)
    assert maps.shape == (3, 189)
    with pytest.raises(ValueError, match="there is no layer 'dense'"):
        from_onnx(foreign.model(), feature_layer="dense")


def test_flat_input(pretrained, rng):
    layers = [("conv", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3})]
    extractor = pretrained(layers, input_shape=(1, 8, 8), input_scale=0.5)
    X = rng.normal(size=(3, 64))
    again = from_onnx(to_onnx(extractor, X))
    assert again.input_shape_ == (1, 8, 8)
    assert_close(again.transform(X), extractor.transform(X), "float32")


UNREADABLE = {
    "group": ("Conv", (1, 1, 3, 3), {"group": 2}, r"group=2 of 2 channels .* \(1, 1, 3, 3\)"),
    "group of 0": ("Conv", (1, 2, 3, 3), {"group": 0}, r"group=0 of 2 channels"),
    "channels": ("Conv", (1, 3, 3, 3), {}, r"group=1 of 2 channels .* \(1, 3, 3, 3\)"),
    "dilations": ("Conv", (1, 2, 3, 3), {"dilations": [0, 2]}, r"dilations=\[0, 2\]"),
    "one dimension": ("Conv", (1, 2, 3), {}, "a convolution of"),
    "negative pads": ("Conv", (1, 2, 3, 3), {"pads": [0, -1, 0, 0]}, r"pads=\[0, -1, 0, 0\]"),
    "a constant": ("Max", (1, 5, 1, 1), {}, r"a constant of shape \(1, 5, 1, 1\) beside"),
    "stride of 0": ("Conv", (1, 2, 3, 3), {"strides": [0, 1]}, r"strides=\[0, 1\]"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_named(name, foreign):
    operator, shape, attributes, match = UNREADABLE[name]
    foreign(operator, foreign.weights(*shape), **attributes)
    with pytest.raises(NetworkError, match=rf"from_onnx: node .*{operator}.*{match}"):
        from_onnx(foreign.model(), engine="portable")


def test_weights_that_the_model_computes(foreign):
    weights = foreign("Relu", first="input.1")
    foreign("Conv", weights)
    with pytest.raises(NetworkError, match="only a constant can be read"):
        from_onnx(foreign.model(), engine="portable")


def test_operators_of_other_domains(foreign):
    foreign("Relu", domain="com.example")
    with pytest.raises(NetworkError, match=r"com\.example:Relu"):
        from_onnx(foreign.model())


def _immense_padding(foreign):
    foreign("Pad", foreign.constant(np.array([0, 0, 1 << 40, 0, 0, 0, 0, 0])))


def _immense_convolution(foreign):
    foreign("Conv", foreign.weights(1, 2, 1, 1), pads=[1 << 40, 0, 0, 0], strides=[1 << 40, 1])


def _immense_normalisation(foreign):
    foreign("LRN", size=(1 << 40) + 1)


def _doubling(foreign):
    for _ in range(60):
        foreign("Concat", foreign.last, axis=1)


def _unfitting_weights(foreign):
    foreign("Conv", foreign.weights(3, 5, 3, 3))


def _immense_dense(foreign):
    foreign("Flatten")
    foreign("Gemm", foreign.weights(3, 100_000))


def _not_numbers(foreign):
    foreign("Conv", foreign.constant(np.full((1, 2, 3, 3), np.nan, np.float32)))


def _integers(foreign):
    foreign("Conv", foreign.constant(np.ones((1, 2, 3, 3), np.int64)))


def _window_larger_than_the_image(foreign):
    foreign("MaxPool", kernel_shape=[50, 50])


def _strange_attribute(foreign):
    foreign("Conv", foreign.weights(1, 2, 3, 3), strides="abc")


def _missing_operand(foreign):
    foreign("Conv")


def _value_from_nowhere(foreign):
    foreign("Add", "never computed")


def _itself(foreign):
    foreign.nodes.append(helper.make_node("Relu", ["loop"], ["loop"]))
    foreign.last = "loop"


def _missing_attribute(foreign):
    foreign("LRN")


def _uneven_normalisation(foreign):
    foreign("BatchNormalization", *[foreign.weights(3) for _ in range(4)])


def _slice_of_strings(foreign):
    bounds = foreign.constant(np.array(["a"], dtype=object).astype(str).astype("S1").view(np.uint8))
    foreign("Slice", bounds, foreign.weights(2))


@pytest.mark.parametrize(
    "spoil",
    [
        _immense_padding,
        _immense_convolution,
        _immense_normalisation,
        _doubling,
        _unfitting_weights,
        _immense_dense,
        _not_numbers,
        _integers,
        _window_larger_than_the_image,
        _strange_attribute,
        _missing_operand,
        _value_from_nowhere,
        _itself,
        _missing_attribute,
        _uneven_normalisation,
        _slice_of_strings,
    ],
)
def test_hostile_graphs(spoil, foreign):
    spoil(foreign)
    with pytest.raises((FileFormatError, NetworkError), match="from_onnx: "):
        from_onnx(foreign.model(), engine="portable")


def test_constant_that_lies_about_its_size(foreign):
    foreign("Conv", foreign.weights(1, 2, 3, 3))
    model = foreign.model()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([1 << 20, 1 << 20, 3, 3])
    with pytest.raises(FileFormatError, match="'onnx::c0', said to be of shape"):
        from_onnx(model)


def test_bounds(foreign, tmp_path, monkeypatch):
    foreign("Conv", foreign.weights(1, 2, 3, 3))
    foreign("Relu")
    path = tmp_path / "model.onnx"
    path.write_bytes(foreign.model().SerializeToString())
    monkeypatch.setattr(reading_module, "MAX_NODES", 1)
    with pytest.raises(FileFormatError, match="has 2 nodes; at most 1"):
        from_onnx(path)
    monkeypatch.setattr(reading_module, "MAX_BYTES", 10)
    with pytest.raises(FileFormatError, match="bytes; at most 10 are read"):
        from_onnx(path)


@pytest.mark.parametrize("data", [b"", b"not a model", bytes(100), b"\x08" * 50])
def test_no_model_at_all(data):
    with pytest.raises(FileFormatError, match="not an ONNX model"):
        from_onnx(data)


def test_inputs_and_outputs(foreign):
    foreign("Relu")
    model = foreign.model()
    model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    with pytest.raises(FileFormatError, match=r"one input; it has 'input.1', 'second'"):
        from_onnx(model)
    model = foreign.model()
    del model.graph.output[:]
    with pytest.raises(FileFormatError, match="no outputs"):
        from_onnx(model)
    foreign.shape = (7,)
    with pytest.raises(FileFormatError, match=r"\(None, 7\), not images"):
        from_onnx(foreign.model())


def test_damaged_files(pretrained, rng):
    """Whatever bytes are damaged: an extractor, or an error that says what is wrong."""
    layers = [
        ("conv", ll.Conv2DLayer, {"num_filters": 2, "filter_size": 3, "nonlinearity": nl.tanh}),
        ("pool", ll.MaxPool2DLayer, {"pool_size": 2, "ignore_border": False}),
        ("dense", ll.DenseLayer, {"num_units": 3}),
    ]
    data = np.frombuffer(to_onnx(pretrained(layers)).SerializeToString(), dtype=np.uint8)
    messages = []
    for _ in range(200):
        damaged = data.copy()
        where = rng.integers(len(data), size=2)
        damaged[where] = rng.integers(256, size=2)
        damaged = damaged[: rng.integers(len(data) // 2, len(data) + len(data) // 2)]
        try:
            from_onnx(damaged.tobytes(), engine="portable")
        except (FileFormatError, NetworkError) as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(message.startswith("from_onnx: ") for message in messages)


def test_onnx_itself_is_needed_only_here():
    assert "onnx" not in after_importing()[0]
    assert onnx.__version__


#: What a model does with maps of (4, 7, 9), which have the name "maps".
OPERATIONS = {
    "Resize nearest": lambda f: f(
        "Resize", "", f.constant(np.float32([1, 1, 2, 3])), mode="nearest"
    ),
    "Resize nearest, asymmetric": lambda f: f(
        "Resize",
        "",
        f.constant(np.float32([1, 1, 1.7, 0.5])),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "Resize nearest, rounded up": lambda f: f(
        "Resize", "", "", f.constant(np.array([3, 4, 5, 20])), mode="nearest", nearest_mode="ceil"
    ),
    "Resize linear": lambda f: f(
        "Resize", "", f.constant(np.float32([1, 1, 1.5, 2])), mode="linear"
    ),
    "Resize linear, corners": lambda f: f(
        "Resize",
        "",
        "",
        f.constant(np.array([3, 4, 1, 17])),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "Resize linear, PyTorch's": lambda f: f(
        "Resize",
        "",
        "",
        f.constant(np.array([3, 4, 1, 5])),
        mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel",
    ),
    "Resize cubic": lambda f: f(
        "Resize",
        "",
        "",
        f.constant(np.array([3, 4, 10, 5])),
        mode="cubic",
        cubic_coeff_a=-0.5,
        coordinate_transformation_mode="asymmetric",
    ),
    "Pad reflect": lambda f: f(
        "Pad", f.constant(np.array([0, 0, 1, 2, 0, 0, 3, 0])), mode="reflect"
    ),
    "Pad edge": lambda f: f("Pad", f.constant(np.array([0, 1, 1, 2, 0, 0, 3, 0])), mode="edge"),
    "InstanceNormalization": lambda f: f(
        "InstanceNormalization", f.weights(4, positive=True), f.weights(4), epsilon=1e-2
    ),
    "LayerNormalization": lambda f: f(
        "LayerNormalization", f.weights(9, positive=True), f.weights(9), axis=-1
    ),
    "LayerNormalization of all": lambda f: f(
        "LayerNormalization", f.weights(4, 7, 9, positive=True), axis=1, epsilon=0.1
    ),
    "LayerNormalization of channels": lambda f: (
        f("Transpose", perm=[0, 2, 3, 1]),
        f("LayerNormalization", f.weights(4, positive=True), f.weights(4)),
        f("MatMul", f.weights(4, 5)),
        f("Add", f.weights(5)),
        f("Relu"),
        f("MatMul", f.weights(5, 4)),
        f("Mul", f.weights(4)),
        f("Transpose", perm=[0, 3, 1, 2]),
        f("Add", "maps"),
    ),
    "Softmax of channels": lambda f: f("Softmax", axis=1),
    "Softmax of columns": lambda f: f("Softmax", axis=-1),
    "LogSoftmax": lambda f: f("LogSoftmax", axis=2),
    "MatMul of two": lambda f: (
        f("Transpose", perm=[0, 1, 3, 2]),
        f("MatMul", f.last, first="maps"),
    ),
    "MatMul of columns": lambda f: f("MatMul", f.weights(9, 5)),
    "Gather": lambda f: f("Gather", f.constant(np.array([3, 0, -3, 3])), axis=1),
    "Expand": lambda f: (
        f("GlobalAveragePool"),
        f("Expand", f.constant(np.array([1, 1, 7, 9]))),
        f("Mul", "maps"),
    ),
    "Expand alone": lambda f: (
        f("ReduceMean", axes=[1, 3]),
        f("Expand", f.constant(np.array([4, 1, 2]))),
    ),
    "DepthToSpace": lambda f: f("DepthToSpace", blocksize=2),
    "DepthToSpace, by columns": lambda f: f("DepthToSpace", blocksize=2, mode="CRD"),
    "SpaceToDepth": lambda f: (
        f("Slice", *(f.constant(np.array(v)) for v in ([0, 0], [6, 8], [2, 3]))),
        f("SpaceToDepth", blocksize=2),
    ),
    "Abs": lambda f: f("Abs"),
    "Exp": lambda f: f("Exp"),
    "Neg": lambda f: f("Neg"),
    "Sqrt of the square": lambda f: (f("Pow", f.constant(np.float32(2))), f("Sqrt")),
    "Reciprocal": lambda f: (f("Exp"), f("Reciprocal")),
    "a quotient of a constant": lambda f: (f("Exp"), f("Div", f.last, first=f.weights(4, 1, 1))),
    "Pow": lambda f: (f("Sigmoid"), f("Pow", f.constant(np.float32(1 / 3)))),
    **{
        operator: lambda f, operator=operator: f(operator, axes=[1, 3], keepdims=0)
        for operator in ("ReduceL1", "ReduceL2", "ReduceSumSquare")
    },
    "means with channels last": lambda f: (
        f("Transpose", perm=[0, 2, 3, 1]),
        f("ReduceMean", axes=[1, 2], keepdims=0),
        f("MatMul", f.weights(4, 3)),
    ),
    "means of channels that are last": lambda f: (
        f("Transpose", perm=[0, 2, 3, 1]),
        f("ReduceMax", axes=[3], keepdims=1),
    ),
    "joined channels that are last": lambda f: (
        f("Transpose", perm=[0, 2, 3, 1]),
        f("Sigmoid"),
        f("Concat", f.last, axis=3),
        f("Add", f.weights(1, 1, 9, 8)),
        f("Transpose", perm=[0, 3, 1, 2]),
    ),
    "uneven borders left out of averages": lambda f: f(
        "AveragePool", kernel_shape=[3, 3], strides=[2, 1], pads=[0, 1, 2, 2]
    ),
    "averages of rounded windows": lambda f: f(
        "AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1
    ),
    "maxima of pixels that lie apart": lambda f: f(
        "MaxPool", kernel_shape=[3, 2], strides=[1, 2], pads=[2, 0, 1, 0], dilations=[2, 3]
    ),
    "averages of three dimensions": lambda f: (
        f("Unsqueeze", f.constant(np.array([1]))),
        f("AveragePool", kernel_shape=[3, 1, 1], strides=[1, 1, 1]),
    ),
    "weights that are standardised": lambda f: f(
        "Conv",
        f(
            "Sub",
            f("ReduceMean", first=f.weights(5, 4, 3, 3), axes=[1, 2, 3], keepdims=1),
            first=f.constants[-1].name,
        ),
        first="maps",
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name, foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3), foreign.weights(4))
    foreign("Identity")
    foreign.nodes[-1].output[0] = foreign.last = "maps"
    OPERATIONS[name](foreign)
    assert_reads(foreign.model())


def gate_used_twice(f):
    x = f.last
    gate = f("Sigmoid")
    f("Mul", x, first=f("Mul", f.constant(np.float32(2))))
    f("Add", gate)


def factors_that_cancel(f):
    x = f.last
    f("Mul", f.constant(np.float32(6)))
    f("Div", f.constant(np.float32(6)))
    f("Relu")
    f("Add", x)


@pytest.mark.parametrize("build", [gate_used_twice, factors_that_cancel])
def test_what_else_uses_a_value_keeps_it_where_a_factor_is_left_out(build, rng, images, run):
    foreign = Foreign(rng)
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    build(foreign)
    model = foreign.model()
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(from_onnx(model, engine="portable").transform(images), expected, "float32")
