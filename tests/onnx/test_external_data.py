"""Weights in files beside a model, sound and hostile."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from convnet_features.exceptions import FileFormatError
from convnet_features.onnx import external_data as external_data_module
from convnet_features.onnx import from_onnx

from ..helpers import assert_close
from .foreign import Foreign

pytestmark = pytest.mark.onnx


@pytest.fixture
def foreign(rng):
    foreign = Foreign(rng)
    foreign("Conv", foreign.weights(4, 2, 3, 3), foreign.weights(4))
    foreign("Conv", foreign.weights(3, 4, 3, 3))
    return foreign


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("folder", ["", "weights/"])
def test_weights_beside_the_model(foreign, run, images, tmp_path, together, folder, monkeypatch):
    (expected,) = run(foreign.model(), images).values()
    path = tmp_path / "f.onnx"
    model = foreign.model()
    if folder:
        (tmp_path / "weights").mkdir()
    onnx.external_data_helper.convert_model_to_external_data(
        model, together, f"{folder}f.onnx.data" if together else None, 0
    )
    if folder and not together:
        for tensor in model.graph.initializer:
            tensor.external_data[0].value = folder + tensor.external_data[0].value
    onnx.save_model(model, path)
    features = from_onnx(path, engine="portable").transform(images)
    assert_close(features, expected.reshape(3, -1), "float32")
    # From anywhere, and by a relative path.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(
        from_onnx("../f.onnx", engine="portable").transform(images), features
    )


@pytest.fixture
def refused(foreign, tmp_path):
    """The error about a model whose first weights are said to lie in a file."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "sound").write_bytes(bytes(4 * 72 + 16))
    (tmp_path / "secret").write_bytes(bytes(4 * 72))

    def check(match, **said):
        model = foreign.model()
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in said.items():
            tensor.external_data.add(key=key, value=str(value))
        path = inside / "f.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FileFormatError, match=rf"from_onnx: the constant 'onnx::c0'.*{match}"):
            from_onnx(path)

    return check


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "C:\\secret", "//host/x", "", "."],
)
def test_files_elsewhere(refused, location):
    refused("only files in the model's own folder are read|cannot be read", location=location)


def test_links(refused, tmp_path):
    inside = tmp_path / "inside"
    (inside / "out").symlink_to(tmp_path / "secret")
    refused("a link that leads out of the model's folder", location="out")
    (inside / "folder").symlink_to(tmp_path)
    refused("a link that leads out of the model's folder", location="folder/secret")
    (inside / "circle").symlink_to(inside / "circle")
    refused("cannot be read", location="circle")


def test_link_within_the_folder(foreign, tmp_path, images):
    path = tmp_path / "f.onnx"
    onnx.save_model(
        foreign.model(), path, save_as_external_data=True, location="data", size_threshold=0
    )
    features = from_onnx(path).transform(images)
    (tmp_path / "data").rename(tmp_path / "weights")
    (tmp_path / "data").symlink_to("weights")
    np.testing.assert_array_equal(from_onnx(path).transform(images), features)


def test_what_is_no_file(refused, tmp_path):
    """A pipe would keep the reader waiting."""
    refused("'nothing', which cannot be read .*put that file beside the model", location="nothing")
    (tmp_path / "inside" / "folder").mkdir()
    refused("no ordinary file", location="folder")
    os.mkfifo(tmp_path / "inside" / "pipe")
    refused("no ordinary file", location="pipe")


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"offset": 20}, "said to be of shape"),
        ({"offset": 16, "length": 284}, "said to be of shape"),
        ({"offset": 20, "length": 288}, "288 bytes from 20 on in 'sound', which has 304"),
        ({"offset": 1 << 40}, "which has 304"),
        ({"length": 1 << 40}, "which has 304"),
        ({"offset": -1}, "has the offset '-1'"),
        ({"length": "1e3"}, "has the length '1e3'"),
        ({"length": "9" * 5000}, "has the length '999"),
    ],
)
def test_places_in_a_file(refused, said, match):
    refused(match, location="sound", **said)


def test_immense_files(foreign, tmp_path, monkeypatch):
    path = tmp_path / "f.onnx"
    onnx.save_model(
        foreign.model(), path, save_as_external_data=True, location="data", size_threshold=0
    )
    monkeypatch.setattr(external_data_module, "MAX_BYTES", 303)
    with pytest.raises(FileFormatError, match=r"have \d+ bytes up to 'data'; at most 303 are read"):
        from_onnx(path)


def test_few_bytes_as_many_constants(tmp_path):
    """The same bytes count each time they are used."""
    data = tmp_path / "data"
    data.write_bytes(bytes(1 << 20))
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "many",
        [onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1, 4, 4])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    for number in range(40):
        tensor = graph.initializer.add(name=f"c{number}", data_type=1, dims=[1 << 18])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="data")
    path = tmp_path / "f.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(FileFormatError, match=r"take more than .* bytes, far more than are in"):
        from_onnx(path)


def outside(foreign, name, n_bytes, *, location):
    """A Constant whose bytes lie in a file."""
    tensor = TensorProto(data_type=TensorProto.INT8, dims=[n_bytes])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    foreign.nodes.append(onnx.helper.make_node("Constant", [], [name], name=name, value=tensor))


def saved(foreign, tmp_path):
    path = tmp_path / "f.onnx"
    path.write_bytes(foreign.model().SerializeToString())
    return path


def test_few_bytes_as_many_attributes(foreign, tmp_path):
    """Of nodes that nothing needs, too."""
    (tmp_path / "data").write_bytes(bytes(1 << 20))
    for number in range(40):
        outside(foreign, f"c{number}", 1 << 20, location="data")
    with pytest.raises(
        FileFormatError,
        match=r"from_onnx: node 'c\d+' \(Constant\): 'value': .* take more than .* far more than are",
    ):
        from_onnx(saved(foreign, tmp_path))


def test_large_attributes_are_no_amplification(foreign, tmp_path):
    """More than a model without files may take: the attribute's file counts."""
    with open(tmp_path / "data", "wb") as file:
        file.truncate(1 << 25)
    outside(foreign, "c", 1 << 25, location="data")
    assert from_onnx(saved(foreign, tmp_path)).n_features_in_ == 2


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("nothing", "cannot be read"),
        ("../secret", "only files in"),
        ("data", "said to be of shape"),
    ],
)
def test_attributes_are_called_after_their_nodes(foreign, tmp_path, location, match):
    (tmp_path / "data").write_bytes(bytes(9))
    outside(foreign, "c", 8, location=location)
    with pytest.raises(
        FileFormatError, match=rf"from_onnx: node 'c' \(Constant\): the constant ''.*{match}"
    ):
        from_onnx(saved(foreign, tmp_path))


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_the_model_is_not_its_own_neighbour(refused, tmp_path, link):
    path = tmp_path / "inside" / "f.onnx"
    if link:
        path.touch()
        getattr(tmp_path / "inside" / "alias", link)(path)
    refused(
        "which is the model itself; save its numbers in the model",
        location="alias" if link else "./f.onnx",
    )


def test_many_names_of_one_file(tmp_path):
    """Spellings and links: it counts once."""
    data = tmp_path / "data"
    data.write_bytes(bytes(1 << 10))
    (tmp_path / "soft").symlink_to("data")
    (tmp_path / "hard").hardlink_to(data)
    (tmp_path / "f.onnx").touch()
    external = external_data_module.ExternalData(tmp_path / "f.onnx")
    for location in ("data", "./data", "././data", ".//data", "soft", "hard"):
        tensor = TensorProto(name="c", data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        external.find(tensor)
        assert external.n_bytes == 1 << 10
        assert external.whole(tensor).raw_data == bytes(1 << 10)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="the system follows links always")
@pytest.mark.parametrize("when", ["before it is found", "after it is found"])
def test_file_that_becomes_a_link(tmp_path, monkeypatch, when):
    """After its path was resolved."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "data").write_bytes(bytes(8))
    (tmp_path / "secret").write_bytes(bytes(8))
    tensor = TensorProto(name="c", data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="data")
    (inside / "f.onnx").touch()
    external = external_data_module.ExternalData(inside / "f.onnx")
    if when == "after it is found":
        external.find(tensor)
    else:
        monkeypatch.setattr(external, "_inside", lambda tensor, location: inside / location)
    (inside / "data").unlink()
    (inside / "data").symlink_to(tmp_path / "secret")
    with pytest.raises(
        FileFormatError, match=r"from_onnx: the constant 'c' lies in 'data', which cannot be read"
    ):
        external.whole(tensor)


def test_model_without_a_folder(foreign, tmp_path):
    path = tmp_path / "f.onnx"
    onnx.save_model(
        foreign.model(), path, save_as_external_data=True, location="data", size_threshold=0
    )
    with pytest.raises(FileFormatError, match="came without a folder; give the path of the model"):
        from_onnx(path.read_bytes())
    assert from_onnx(onnx.load(path)).n_features_in_ == 2
