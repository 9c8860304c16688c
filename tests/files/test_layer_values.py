"""The parameters of nolearn's networks in files; `tests/nolearn/test_loading.py` has more."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import numpy as np
import pytest

from convnet_features.exceptions import FileFormatError
from convnet_features.files.layer_values import looks_like_values, read_values, write_values
from convnet_features.files.safetensors import looks_like_safetensors, write_arrays

VALUES = {"conv": [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(3)], "pool": []}


@pytest.mark.parametrize("kind", [dict, OrderedDict])
@pytest.mark.parametrize("protocol", range(6))
def test_pickles_without_a_network_to_compare_with(tmp_path, protocol, kind):
    (tmp_path / "p").write_bytes(pickle.dumps(kind(VALUES), protocol))
    assert looks_like_values(tmp_path / "p")
    assert not looks_like_safetensors(tmp_path / "p")
    np.testing.assert_equal(read_values(tmp_path / "p"), VALUES)


def test_of_python_2(tmp_path):
    """Its text is bytes: the layer's name, the type of the numbers, and the numbers."""
    dtype = b"cnumpy\ndtype\nU\x02f4K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
    array = made + b"(K\1K\1\x85" + dtype + b"\x89U\4\0\0\xa0@tb"
    (tmp_path / "p").write_bytes(b"\x80\x02}U\x04conv]" + array + b"as.")
    found = read_values(tmp_path / "p")
    np.testing.assert_equal(found, {"conv": [np.array([5], np.float32)]})


def test_archives_without_a_network_to_compare_with(tmp_path):
    write_values(tmp_path / "a", VALUES)
    assert looks_like_values(tmp_path / "a")
    assert not looks_like_safetensors(tmp_path / "a")
    np.testing.assert_equal(read_values(tmp_path / "a"), {"conv": VALUES["conv"]})


def test_a_small_file_of_many_arrays(tmp_path):
    """Without a network, how much is read goes by the size of the file."""
    (tmp_path / "p").write_bytes(pickle.dumps({"conv": [np.zeros(500_000)] * 8}))
    assert len(read_values(tmp_path / "p")["conv"]) == 8
    (tmp_path / "p").write_bytes(pickle.dumps({"conv": [VALUES["conv"][1]] * 3000}))
    assert len(read_values(tmp_path / "p")["conv"]) == 3000
    array = np.zeros(5000)
    (tmp_path / "p").write_bytes(pickle.dumps({"conv": [array] * 900}))
    with pytest.raises(FileFormatError, match="longer than the arrays expected in it"):
        read_values(tmp_path / "p")


def test_pickles_of_python_2_take_many_reads(tmp_path):
    """Some forty for each array, and a ResNet-50 has some 270."""
    layers = {f"layer{i}": [np.ones((2, 2), np.float32), np.zeros(2)] for i in range(300)}
    (tmp_path / "p").write_bytes(pickle.dumps(layers, protocol=2))
    np.testing.assert_equal(read_values(tmp_path / "p"), layers)


def test_safetensors_are_told_apart(tmp_path):
    """A header of 128 bytes makes a file begin as a pickle does."""
    for length in range(60):
        write_arrays(tmp_path / "a", {"w" * length: np.ones(3, np.float32)})
        assert looks_like_safetensors(tmp_path / "a")
    for content in (b"", b"\x80", b"\x80\0\0\0\0\0\0\0{"):
        (tmp_path / "a").write_bytes(content)
        assert not looks_like_safetensors(tmp_path / "a")
