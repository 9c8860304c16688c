"""Models that onnxruntime computes, as fitted extractors."""

from __future__ import annotations

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import convnet_features
from convnet_features.exceptions import EngineError, EngineWarning, FileFormatError, NetworkError
from convnet_features.inspection import explain
from convnet_features.onnx import from_onnx, to_onnx
from convnet_features.onnx.runtime import sessions as sessions_module

from ...helpers import assert_close
from .transformer import CLASSES, SHAPE, TOKENS, WIDTH, computed, transformer, weights

pytestmark = pytest.mark.onnx

RUNTIME = {"engine": "onnxruntime"}


@pytest.fixture
def values(rng):
    return weights(rng)


@pytest.fixture
def X(rng):
    return rng.normal(size=(7, *SHAPE)).astype(np.float32)


@pytest.fixture
def extractor(values):
    return from_onnx(transformer(values), **RUNTIME)


def small(nodes, shape=(None, 2, 3, 4), element=TensorProto.FLOAT, outputs=("y",), constants=()):
    """A model of a few nodes from x to `outputs`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", element, shape)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        initializer=[numpy_helper.from_array(np.asarray(each), name) for name, each in constants],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def no_layers():
    """A model with an operator that has no layer, and what it computes."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("CumSum", ["positive", "axis"], ["y"], "sums"),
    ]
    return small(nodes, constants=[("axis", np.int64(1))])


def test_what_is_no_layer_falls_to_onnxruntime(rng):
    """One warning names the node, and where the model was asked for."""
    with pytest.warns(EngineWarning) as caught:
        extractor = from_onnx(no_layers())
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message) == (
        "from_onnx: node 'sums' (CumSum) cannot be read; onnxruntime computes the model instead. "
        "Features and predictions are as usual; it cannot be trained further. "
        "engine='onnxruntime' says that this is meant; engine='onednn' raises an error."
    )
    assert extractor.engine == "onnxruntime"
    X = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    expected = np.maximum(X, 0).cumsum(1).reshape(5, -1)
    assert_close(extractor.transform(X), expected, "float32")
    assert "'sums' (CumSum) cannot be read" in extractor.explain(2)[0].why


def test_what_depends_on_the_samples_falls_to_onnxruntime(rng):
    """A token for each image, as vision transformers have: its copies are no constant."""
    nodes = [
        helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "rest"], ["shape"], axis=0),
        helper.make_node("Expand", ["token", "shape"], ["tokens"], "copies"),
        helper.make_node("Concat", ["tokens", "x"], ["y"], axis=1),
    ]
    token = rng.normal(size=(1, 1, 3, 4)).astype(np.float32)
    model = small(nodes, constants=[("rest", np.int64([1, 3, 4])), ("token", token)])
    X = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    with pytest.warns(EngineWarning, match=r"'copies' \(Expand\) cannot be read"):
        found = from_onnx(model).transform(X)
    expected = np.concatenate([np.repeat(token, 5, axis=0), X], axis=1)
    np.testing.assert_array_equal(found, expected.reshape(5, -1))
    fixed = small(nodes[-1:], (1, 2, 3, 4), constants=[("tokens", token)])
    with pytest.warns(EngineWarning, match=r"\(Concat\) cannot be read"):
        found = from_onnx(fixed).transform(X)
    np.testing.assert_array_equal(found, expected.reshape(5, -1))


@pytest.mark.parametrize("engine", ["portable", "onednn"])
def test_other_engines_do_not_fall_back(engine):
    with pytest.raises(NetworkError, match=r"from_onnx: node 'sums' \(CumSum\) cannot be read"):
        from_onnx(no_layers(), engine=engine)


def test_a_transformer(extractor, values, X):
    expected = computed(values, X)
    assert_close(extractor.transform(X), expected["scores"], "float32")
    assert_close(extractor.predict(X), expected["scores"], "float32")
    assert extractor.input_shape_ == SHAPE
    assert extractor.n_features_in_ == SHAPE[0]
    assert list(extractor.get_feature_names_out()) == [f"scores{k}" for k in range(CLASSES)]


def test_features_of_any_value(extractor, values, X):
    expected = computed(values, X)
    extractor.set_params(feature_layer=["attention", "pool", "block"])  # the second: a node
    wanted = ["attention", "pooled", "block"]
    rows = [expected[name].reshape(len(X), -1) for name in wanted]
    assert_close(extractor.transform(X), np.hstack(rows), "float32")
    names = extractor.get_feature_names_out()
    assert len(names) == sum(row.shape[1] for row in rows)
    assert names[0] == "attention_0_0_0"
    assert extractor.get_output("embed", X).shape == (7, WIDTH, 2, 3)
    assert extractor.get_output("placed", X).shape == (7, TOKENS, WIDTH)
    assert_close(extractor.layer_function("block")(X), expected["block"], "float32")


def test_features_from_the_beginning(values, X):
    extractor = from_onnx(transformer(values), feature_layer=["pool", "scores"], **RUNTIME)
    expected = computed(values, X)
    assert_close(
        extractor.transform(X), np.hstack([expected["pooled"], expected["scores"]]), "float32"
    )


def test_output_to_stop_at(values, X):
    extractor = from_onnx(transformer(values), output="block", **RUNTIME)
    assert list(extractor.layers_)[-1] == "block"
    assert_close(extractor.get_output("block", X), computed(values, X)["block"], "float32")


def test_an_unknown_value(extractor, values):
    with pytest.raises(ValueError, match="feature_layer: there is no layer 'nothing'"):
        from_onnx(transformer(values), feature_layer="nothing", **RUNTIME)
    with pytest.raises(
        FileFormatError, match="nothing in the model computes 'nothing'; its outputs are 'scores'"
    ):
        from_onnx(transformer(values), output="nothing", **RUNTIME)
    with pytest.raises(ValueError, match="there is no layer 'nothing'"):
        extractor.explain(2, layers="nothing")


def test_values_without_a_row_for_each_sample():
    turned = helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2, 3])
    back = helper.make_node("Transpose", ["turned"], ["y"], perm=[1, 0, 2, 3])
    model = small([turned, back], (None, 5, 3, 4))
    extractor = from_onnx(model, **RUNTIME)
    extractor.set_params(feature_layer="turned")
    with pytest.raises(NetworkError, match=r"'turned'.*has not one row of known size"):
        extractor.transform(np.zeros((3, 5, 3, 4)))
    with pytest.raises(NetworkError, match=r"'turned'.*has not one row of known size"):
        from_onnx(model, feature_layer="turned", **RUNTIME)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="turned"))
    with pytest.raises(NetworkError, match=r"'turned' has the shape \(5, 2, 3, 4\), for 2 samples"):
        from_onnx(model, **RUNTIME)


def test_batches_of_any_size(extractor, values, X, monkeypatch):
    monkeypatch.setattr("convnet_features.onnx.runtime.model.SLICE_BYTES", (2000, 2000))
    assert 1 <= extractor._model.slice_size < 5
    many = np.tile(X, (9, 1, 1, 1))
    expected = np.tile(computed(values, X)["scores"], (9, 1))
    assert_close(extractor.transform(many), expected, "float32")
    assert extractor.layer_function("scores")(X[:0]).shape == (0, CLASSES)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_number_of_samples(batch, values, X):
    extractor = from_onnx(transformer(values, batch=batch), **RUNTIME)
    expected = computed(values, X)["scores"]
    assert_close(extractor.transform(X), expected, "float32")
    assert_close(extractor.transform(X[:1]), expected[:1], "float32")
    assert_close(extractor.layer_function("scores")(X[:2]), expected[:2], "float32")


def test_a_number_of_samples_that_is_not_what_it_says(rng):
    """Exporters trace one image, and call the number of images open all the same."""
    shape = np.int64([1, 2, 12])
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["rows"]),
        helper.make_node("Relu", ["rows"], ["y"]),
    ]
    extractor = from_onnx(small(nodes, constants=[("shape", shape)]), **RUNTIME)
    X = rng.normal(size=(4, 2, 3, 4)).astype(np.float32)
    assert_close(extractor.transform(X), np.maximum(X, 0).reshape(4, -1), "float32")


def test_channels_last(rng):
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)
    extractor = from_onnx(small([node], (None, 5, 6, 3)), **RUNTIME)
    assert extractor.input_shape_ == (3, 5, 6)
    X = rng.normal(size=(4, 3, 5, 6)).astype(np.float32)
    assert_close(extractor.transform(X), X.mean((2, 3)), "float32")
    last = X.transpose(0, 2, 3, 1)
    assert_close(extractor.transform(last), X.mean((2, 3)), "float32")
    open_sizes = from_onnx(small([node], (None, None, None, 3)), input_shape=(3, 5, 6), **RUNTIME)
    assert_close(open_sizes.transform(X), X.mean((2, 3)), "float32")


def test_sizes_that_are_open(rng):
    node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    model = small([node], (None, 3, None, None))
    with pytest.raises(FileFormatError, match=r"give input_shape=\(channels, height, width\)"):
        from_onnx(model, **RUNTIME)
    extractor = from_onnx(model, input_shape=(3, 7, 5), **RUNTIME)
    X = rng.normal(size=(2, 3, 7, 5)).astype(np.float32)
    assert_close(extractor.transform(X), X.mean((2, 3)), "float32")
    with pytest.raises(ValueError, match=r"input_shape=\(3, 7\) must be"):
        from_onnx(model, input_shape=(3, 7), **RUNTIME)


@pytest.mark.parametrize(
    ("shape", "given", "found"),
    [
        ((None, 12), None, (1, 1, 12)),
        ((None, 12), (1, 3, 4), (1, 1, 12)),
        ((None, 3, 4), None, (1, 3, 4)),
    ],
)
def test_rows_and_grey_images(shape, given, found, rng):
    extractor = from_onnx(
        small([helper.make_node("Relu", ["x"], ["y"])], shape), input_shape=given, **RUNTIME
    )
    assert extractor.input_shape_ == found
    X = rng.normal(size=(5, 12)).astype(np.float32)
    assert_close(extractor.transform(X.reshape(5, *found)), np.maximum(X, 0), "float32")
    assert_close(extractor.transform(X), np.maximum(X, 0), "float32")


def test_pixels_of_other_types(values, rng):
    X = rng.integers(256, size=(5, *SHAPE)).astype(np.uint8)
    expected = computed(values, X)["scores"]
    for element in (TensorProto.UINT8, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16):
        extractor = from_onnx(transformer(values, element=element), **RUNTIME)
        assert_close(extractor.transform(X), expected, "float32")
        assert extractor.transform(X).dtype == np.float32


def test_pixels_that_a_type_does_not_hold(values):
    whole = from_onnx(transformer(values, element=TensorProto.UINT8), **RUNTIME)
    X = np.full((2, *SHAPE), 0.5, np.float32)
    with pytest.raises(
        ValueError,
        match=r"X holds 0.5, and the model takes pixels of uint8: whole numbers from 0 to 255.*not divided by 255",
    ):
        whole.transform(X)
    half = from_onnx(transformer(values, element=TensorProto.FLOAT16), **RUNTIME)
    with pytest.raises(ValueError, match=r"X holds 1e\+06.*float16: numbers from -65504 to 65504"):
        half.transform(np.full((2, *SHAPE), 1e6))
    assert len(whole.explain(2)) > 5


def test_whole_numbers_come_out_as_float32(rng):
    node = helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)
    X = rng.normal(size=(4, 2, 3, 4)).astype(np.float32)
    found = from_onnx(small([node]), **RUNTIME).transform(X)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X.argmax(1).reshape(4, -1))
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "large"], ["y"]),
    ]
    large = from_onnx(small(nodes, constants=[("large", np.int64(2**40 + 1))]), **RUNTIME)
    with pytest.raises(NetworkError, match="'y' holds int64 that float32 does not"):
        large.transform(X)


def test_a_quantised_network(rng):
    """Weights and activations in 8 bits, between QuantizeLinear and DequantizeLinear."""
    W = rng.integers(-127, 128, size=(12, 3)).astype(np.int8)
    constants = [
        ("scale", np.float32(0.05)),
        ("zero", np.uint8(128)),
        ("W", W),
        ("W_scale", np.float32(0.01)),
        ("W_zero", np.int8(0)),
    ]
    nodes = [
        helper.make_node("Flatten", ["x"], ["rows"]),
        helper.make_node("QuantizeLinear", ["rows", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["W", "W_scale", "W_zero"], ["W_float"]),
        helper.make_node("MatMul", ["rounded", "W_float"], ["y"]),
    ]
    model = small(nodes, (None, 1, 3, 4), constants=constants)
    X = rng.uniform(-5, 5, size=(6, 1, 3, 4)).astype(np.float32)
    extractor = from_onnx(model, **RUNTIME)
    rounded = np.clip(np.rint(X.reshape(6, -1) / np.float32(0.05)), -128, 127) * 0.05
    assert_close(extractor.transform(X), rounded @ (W * 0.01), "float32")
    assert set(np.unique(extractor.get_output("bytes", X))) <= set(range(256))


def test_operators_of_onnxruntimes_own(rng):
    node = helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft", alpha=1.0)
    X = rng.normal(size=(3, 2, 3, 4)).astype(np.float32)
    expected = X / (1 + np.exp(-X.astype(np.float64)))
    extractor = from_onnx(small([node]), **RUNTIME)
    assert_close(extractor.transform(X), expected.reshape(3, -1), "float32")


def test_branches_that_read_values_around_them(rng):
    """Nodes that only a nested graph reads stay when a model is cut."""
    branches = {
        which: helper.make_graph(
            [helper.make_node("Mul", ["twice", factor], [f"{which}_value"])],
            which,
            [],
            [helper.make_tensor_value_info(f"{which}_value", TensorProto.FLOAT, None)],
        )
        for which, factor in (("then_branch", "ten"), ("else_branch", "one"))
    }
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "one"], ["is_large"]),
        helper.make_node("If", ["is_large"], ["chosen"], **branches),
        helper.make_node("Reshape", ["chosen", "shape"], ["y"]),
    ]
    constants = [("one", np.float32(1)), ("ten", np.float32(10)), ("shape", np.int64([0, 24]))]
    extractor = from_onnx(small(nodes, constants=constants), output="y", **RUNTIME)
    X = rng.normal(size=(3, 2, 3, 4)).astype(np.float32)
    X[0, 0, 0, 0] = 2
    assert_close(extractor.transform(X), 20 * X.reshape(3, -1), "float32")


def test_several_inputs(values):
    model = transformer(values)
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    with pytest.raises(FileFormatError, match=r"one input; it has 'pixels', 'mask'.*initializers"):
        from_onnx(model, **RUNTIME)


def test_inputs_that_are_no_images():
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    with pytest.raises(FileFormatError, match="'x' has 5 dimensions"):
        from_onnx(small(relu, (None, 2, 3, 4, 5)), **RUNTIME)
    with pytest.raises(FileFormatError, match="'x' takes object, not pixels"):
        from_onnx(small(relu, element=TensorProto.STRING), **RUNTIME)


def test_operators_that_nobody_has(X):
    model = small([helper.make_node("Strange", ["x"], ["y"], "odd", domain="com.example")])
    with pytest.raises(
        NetworkError, match=r"node 'odd' \(com.example:Strange\): onnxruntime has no operators"
    ):
        from_onnx(model, **RUNTIME)
    with pytest.raises(
        NetworkError, match=r"node 'odd' .*cannot be read.*Nor does onnxruntime compute the model"
    ):
        from_onnx(model)
    unknown = small([helper.make_node("Strange", ["x"], ["y"])])
    with pytest.raises(NetworkError, match=r"onnxruntime refuses the model: .*Strange"):
        from_onnx(unknown, **RUNTIME)


def test_without_onnxruntime(values, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"pip install convnet-features\[onnx\]"):
        from_onnx(transformer(values), **RUNTIME)
    with pytest.raises(NetworkError, match=r"'sums'.*cannot be read.*pip install convnet-features"):
        from_onnx(no_layers())


def test_weights_beside_the_model(values, X, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save_model(
        transformer(values),
        path,
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )
    extractor = from_onnx(path, **RUNTIME)
    (tmp_path / "model.onnx.data").unlink()
    assert_close(extractor.transform(X), computed(values, X)["scores"], "float32")


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret", "*/_ORT_MEM_ADDR_/*"])
@pytest.mark.parametrize("nested", [False, True])
def test_files_elsewhere_are_not_read(location, nested, tmp_path):
    """Nor those that a tensor within a branch names."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "c")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    if nested:
        branch = helper.make_graph(
            [helper.make_node("Constant", [], ["c"], value=tensor)],
            "branch",
            [],
            [helper.make_tensor_value_info("c", TensorProto.FLOAT, [4])],
        )
        nodes = [
            helper.make_node("If", ["yes"], ["four"], then_branch=branch, else_branch=branch),
            helper.make_node("Add", ["x", "four"], ["y"]),
        ]
        model = small(nodes, constants=[("yes", np.bool_(True))])
    else:
        model = small([helper.make_node("Add", ["x", "c"], ["y"])])
        model.graph.initializer.append(tensor)
    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        FileFormatError, match=r"only files in the model's own folder|cannot be read"
    ):
        from_onnx(path, **RUNTIME)
    with pytest.raises(FileFormatError, match="came without a folder"):
        from_onnx(model.SerializeToString(), **RUNTIME)


def test_immense_values_are_refused():
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    model = small([node], constants=[("shape", np.int64([2, 1 << 38]))])
    with pytest.raises(FileFormatError, match=r"'y' would have the shape \(2, 274877906944\)"):
        from_onnx(model, **RUNTIME)


def test_sparse_constants():
    """onnxruntime makes them dense: they count as what they become."""
    model = small([helper.make_node("Add", ["x", "c"], ["y"])])
    sparse = model.graph.sparse_initializer.add(dims=[3, 4])
    sparse.values.CopyFrom(numpy_helper.from_array(np.float32([2, 3]), "c"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.int64([1, 7]), "c_at"))
    X = np.zeros((2, 2, 3, 4), np.float32)
    found = from_onnx(model, **RUNTIME).transform(X)
    expected = np.zeros(12)
    expected[[1, 7]] = 2, 3
    np.testing.assert_array_equal(found, np.tile(expected, (2, 2)))
    sparse.dims[:] = [1 << 20, 1 << 20]
    with pytest.raises(FileFormatError, match=r"constant 'c': .*far more than are in the file"):
        from_onnx(model, **RUNTIME)


def test_damaged_files(values, rng):
    data = np.frombuffer(transformer(values).SerializeToString(), dtype=np.uint8)
    messages = []
    for _ in range(60):
        damaged = data.copy()
        where = rng.integers(len(data), size=2)
        damaged[where] = rng.integers(256, size=2)
        damaged = damaged[: rng.integers(len(data) // 2, len(data) + len(data) // 2)]
        try:
            from_onnx(damaged.tobytes(), **RUNTIME)
        except (FileFormatError, NetworkError) as error:
            messages.append(str(error))
    assert len(messages) > 20


def test_pickles_and_copies(extractor, values, X):
    expected = computed(values, X)["scores"]
    extractor.transform(X)
    stored = io.BytesIO()
    joblib.dump(extractor, stored)
    stored.seek(0)
    for again in (
        pickle.loads(pickle.dumps(extractor)),
        copy.deepcopy(extractor),
        joblib.load(stored),
    ):
        assert_close(again.transform(X), expected, "float32")
        assert again.get_params()["engine"] == "onnxruntime"


def test_processes_of_joblib(extractor, X):
    expected = extractor.transform(X)
    parts = joblib.Parallel(2, "threading")(
        joblib.delayed(extractor.transform)(X[k : k + 1]) for k in range(len(X))
    )
    assert_close(np.vstack(parts), expected, "float32")


FORKED = """
import multiprocessing, os, sys, warnings
import numpy as np
import convnet_features
from convnet_features.onnx import from_onnx
warnings.simplefilter("ignore")
convnet_features.set_num_threads(2)
extractor = from_onnx(sys.argv[1], engine="onnxruntime")
X = np.random.default_rng(0).normal(size=(7, *extractor.input_shape_))
expected = extractor.transform(X)
def child(question, answer):
    answer.put(np.allclose(extractor.transform(X), expected, atol=1e-5))
context = multiprocessing.get_context("fork")
answers = context.Queue()
process = context.Process(target=child, args=(None, answers))
process.start()
assert answers.get(timeout=60)
process.join(60)
# Nothing of the parent's may be ended in a child that has not computed.
pid = os.fork()
if pid == 0:
    extractor._model.sessions._open.clear()
    del extractor
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert np.allclose(extractor.transform(X), expected)
print("well")
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this platform"
)
def test_forked_children_make_their_own(values, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(transformer(values).SerializeToString())
    package = os.path.dirname(os.path.dirname(convnet_features.__file__))
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(path)],
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "well", done.stderr


def test_as_many_threads_as_kernels_have(extractor, X, monkeypatch):
    made = []

    def open_session(contents, n_threads, **options):
        made.append(n_threads)
        return opened(contents, n_threads, **options)

    opened = sessions_module.open_session
    monkeypatch.setattr(sessions_module, "open_session", open_session)
    try:
        for number in (1, 2, 1):
            convnet_features.set_num_threads(number)
            extractor.transform(X)
        assert made == [1, 2]
        extractor.get_output("pooled", X)
        extractor.transform(X)
        assert made == [1, 2, 1], "the session least recently used is closed"
    finally:
        convnet_features.set_num_threads(None)


def test_in_a_pipeline(extractor, X):
    """As it is: its `fit` trains nothing, and a clone has the same model."""
    y = np.arange(len(X)) % 2
    pipeline = make_pipeline(extractor, LogisticRegression())
    assert pipeline.fit(X, y).predict(X).shape == y.shape
    assert clone(pipeline).fit(X, y).predict(X).shape == y.shape
    assert (
        make_pipeline(FrozenEstimator(extractor), LogisticRegression()).fit(X, y).predict(X)[0] in y
    )


def test_what_cannot_be_done(extractor, X, tmp_path):
    y = np.arange(len(X)) % 2
    with pytest.raises(EngineError, match=r"neither trains.*Put such an extractor into a Pipeline"):
        extractor.partial_fit(X, y)
    anew = convnet_features.ConvNetClassifier(extractor.layers, max_epochs=1)
    with pytest.raises(EngineError, match=r"neither trains.*Put such an extractor into a Pipeline"):
        clone(anew).set_params(engine="onnxruntime").fit(X, y)
    with pytest.raises(NetworkError, match=r"'transformer' is no layers of ours.*into a Pipeline"):
        anew.fit(X, y)
    with pytest.raises(NetworkError, match=r"onnxruntime computes this network.*to_onnx"):
        extractor.save_params(tmp_path / "params.safetensors")
    with pytest.raises(NetworkError, match="onnxruntime computes this network"):
        extractor.load_params({"conv.W": np.zeros(3)})
    with pytest.raises(NetworkError, match="onnxruntime computes this network"):
        convnet_features.ConvNetClassifier(pretrained=extractor, max_epochs=1).fit(X, y)
    with pytest.raises(NetworkError, match="onnxruntime computes this network"):
        extractor.explain(2, training=True)
    # Nothing of this has changed it.
    assert extractor.transform(X).shape == (7, CLASSES)


@pytest.mark.parametrize("engine", ["portable", "jax", "onednn"])
def test_other_engines_cannot_compute_it(engine, extractor, X):
    extractor.set_params(engine=engine)
    with pytest.raises(
        EngineError, match=rf"engine='{engine}' cannot compute this network, .*for onnxruntime"
    ):
        extractor.transform(X)
    assert extractor.set_params(engine="auto").transform(X).shape == (7, CLASSES)


def test_to_onnx_gives_the_model(extractor, values, X, run):
    model = to_onnx(extractor)
    assert_close(run(model, X)["scores"], computed(values, X)["scores"], "float32")
    assert_close(from_onnx(model, **RUNTIME).transform(X), computed(values, X)["scores"], "float32")


def test_the_summary(extractor):
    lines = extractor.summary().splitlines()
    assert lines[0].startswith("Neural network of ")
    assert lines[0].endswith("numbers, which onnxruntime computes")
    row = next(line.split() for line in lines if " map " in line)
    assert row[1:] == ["map", "Conv", "8x2x3", str(8 * 2 * 3 * 3)]


def test_what_runs(extractor):
    steps = extractor.explain(3)
    assert all(step.kernel.startswith("onnxruntime ") for step in steps)
    assert all(step.why == "engine='onnxruntime'" for step in steps)
    (convolution,) = [step for step in steps if "Conv" in step.kernel]
    assert convolution.output_shape[0] == 3
    assert all(step.milliseconds is None for step in steps)
    timed = extractor.explain(3, layers="map", time=True)
    assert len(timed) < len(steps)
    assert all(step.milliseconds >= 0 for step in timed)
    assert "Conv" in str(timed)
    assert len(explain(extractor, 3)) == len(steps)


def test_the_extractor_as_an_object(extractor):
    assert "transformer" in repr(extractor)
    assert extractor._repr_html_()
    assert clone(extractor).get_params()["layers"] == extractor.layers
    assert extractor.network_.name == "scores"
