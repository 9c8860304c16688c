"""Arrays in safetensors files: read back to the bit, without running anything."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.exceptions import FileFormatError
from convnet_features.files.safetensors import read_arrays, write_arrays


@pytest.fixture
def arrays(rng):
    return {
        "conv.W": rng.random((2, 3, 5, 7), dtype=np.float32),
        "transposed": rng.random((3, 4)).T,
        "number": np.float32(2.5) * np.ones(()),
        "empty": np.zeros((0, 3), np.float32),
        "integers": np.arange(5),
    }


class TestArrays:
    def test_come_back_to_the_bit(self, arrays, tmp_path):
        write_arrays(tmp_path / "a", arrays, {"epochs": 3, "loss": [0.5, float("inf")]})
        found, notes = read_arrays(tmp_path / "a")
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert notes == {"epochs": 3, "loss": [0.5, float("inf")]}

    def test_numpys_numbers_are_written_as_pythons(self, tmp_path):
        write_arrays(tmp_path / "a", {}, {"x": np.float64(0.5), "n": np.int64(3)})
        assert read_arrays(tmp_path / "a")[1] == {"x": 0.5, "n": 3}

    def test_what_json_cannot_say(self, tmp_path):
        with pytest.raises(TypeError, match=r"object .*\(object\) cannot be written as JSON"):
            write_arrays(tmp_path / "a", {}, {"x": object()})
        assert list(tmp_path.iterdir()) == []

    def test_any_safetensors_reader_reads_it(self, arrays, tmp_path):
        """The header by hand: eight bytes of length, JSON, numbers."""
        write_arrays(tmp_path / "a", {"w": arrays["conv.W"]})
        content = (tmp_path / "a").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        assert header["w"]["dtype"] == "F32"
        assert header["w"]["shape"] == [2, 3, 5, 7]
        start, stop = header["w"]["data_offsets"]
        found = np.frombuffer(content[8 + length :][start:stop], "<f4").reshape(2, 3, 5, 7)
        np.testing.assert_array_equal(found, arrays["conv.W"])

    def test_others_files_have_no_notes(self, tmp_path):
        from safetensors.numpy import save_file

        save_file({"w": np.ones(3)}, tmp_path / "a")
        found, notes = read_arrays(tmp_path / "a")
        assert notes is None
        np.testing.assert_array_equal(found["w"], 1)

    @pytest.mark.parametrize("length", [0, 4, 8, 50, -1, -5])
    def test_a_file_cut_short(self, arrays, tmp_path, length):
        write_arrays(tmp_path / "a", arrays)
        content = (tmp_path / "a").read_bytes()
        (tmp_path / "a").write_bytes(content[:length])
        with pytest.raises(FileFormatError, match="no readable safetensors file"):
            read_arrays(tmp_path / "a")

    def test_a_pickle_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "it ran"),)

        (tmp_path / "a").write_bytes(pickle.dumps(Evil()))
        with pytest.raises(FileFormatError, match="no readable safetensors file"):
            read_arrays(tmp_path / "a")
        assert not (tmp_path / "it ran").exists()

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            read_arrays(tmp_path / "nothing")


class TestChecksum:
    """Of what is in a file, made when it is written and compared when it is read."""

    @pytest.fixture
    def small(self):
        return {"conv.W": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.ones((), np.int64)}

    def test_is_that_of_the_standard(self, tmp_path):
        """By hand: each array's name, type, shape and bytes, then the notes."""
        write_arrays(tmp_path / "a", {"w": np.ones(2, np.float32)}, {"n": 3})
        content = (tmp_path / "a").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        text = b'["w", "<f4", [2]]\n' + b"\0\0\x80?" * 2 + b'{"n": 3}'
        assert metadata["convnet_features.sha256"] == hashlib.sha256(text).hexdigest()

    def test_no_flipped_bit_goes_unnoticed(self, small, tmp_path):
        """Every single one of the file: an error, or the very same values."""
        path = tmp_path / "a"
        write_arrays(path, small, {"kind": "parameters"})
        content, noticed = path.read_bytes(), 0
        for bit in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            try:
                found, _ = read_arrays(path)
            except FileFormatError:
                noticed += 1
                continue
            assert found.keys() == small.keys()
            for name, array in small.items():
                assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
                np.testing.assert_array_equal(found[name], array)
        assert noticed > 0.9 * 8 * len(content)

    def test_says_what_happened(self, small, tmp_path):
        write_arrays(tmp_path / "a", small)
        content = bytearray((tmp_path / "a").read_bytes())
        content[-1] ^= 1
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(FileFormatError) as caught:
            read_arrays(tmp_path / "a")
        assert str(caught.value) == (
            f"{tmp_path / 'a'}: its contents are not those that its checksum was made of: it was "
            "damaged, or changed by another program. Fetch it again, or write it anew."
        )

    def test_does_not_depend_on_the_order(self, small, tmp_path):
        """Another program may write the same contents anew."""
        from safetensors import safe_open
        from safetensors.numpy import save_file

        write_arrays(tmp_path / "a", small, {"n": 3})
        with safe_open(tmp_path / "a", framework="numpy") as file:
            metadata = file.metadata()
        save_file(dict(reversed(small.items())), tmp_path / "b", metadata)
        found, notes = read_arrays(tmp_path / "b")
        np.testing.assert_equal((found, notes), (small, {"n": 3}))


class TestSameBytes:
    """Versions of a file can be compared, deduplicated and signed."""

    def test_of_the_same_contents(self, arrays, tmp_path):
        notes = {"layers": ["é", "b"], "n": 3}
        files = set()
        for number in range(20):
            path = tmp_path / str(number)
            write_arrays(path, dict(reversed(arrays.items())) if number % 2 else arrays, notes)
            files.add(path.read_bytes())
        assert len(files) == 1

    def test_other_programs_read_them(self, arrays, tmp_path):
        from safetensors.numpy import load_file

        write_arrays(tmp_path / "a", arrays, {"layers": ["é"]})
        np.testing.assert_equal(load_file(tmp_path / "a"), arrays)
        size = int.from_bytes((tmp_path / "a").read_bytes()[:8], "little")
        assert size % 8 == 0  # as the format recommends, for aligned numbers

    def test_of_an_estimator(self, tmp_path):
        X, y = np.random.default_rng(0).random((20, 1, 6, 5)), np.arange(20) % 2
        fitted = ConvNetClassifier(max_epochs=1, dense_num_units=3, random_state=0).fit(X, y)
        for name in "abcdefgh":
            fitted.save_params(tmp_path / name)
        assert len({(tmp_path / name).read_bytes() for name in "abcdefgh"}) == 1


#: Bits of bfloat16, and the numbers that they stand for: sign, eight bits of exponent, seven of
#: fraction.
BFLOAT16 = {
    0x0000: 0.0,
    0x3F80: 1.0,
    0xBFC0: -1.5,
    0x3EAB: 0.333984375,
    0x7F7F: (2 - 2**-7) * 2.0**127,
    0x0080: 2.0**-126,
    0x0001: 2.0**-133,
    0x7F80: np.inf,
}


@pytest.mark.parametrize("known", [False, True])
def test_bfloat16_is_float32(known, tmp_path):
    """Exactly, whether or not something has given NumPy the type, as JAX does."""
    if known:
        pytest.importorskip("ml_dtypes", reason="comes with JAX")
    header = (
        b'{"b":{"dtype":"F32","shape":[],"data_offsets":[16,20]},'
        b'"a":{"dtype":"BF16","shape":[2,4],"data_offsets":[0,16]}}'
    )
    header = header.ljust(-(-len(header) // 8) * 8)
    start = len(header).to_bytes(8, "little") + header
    halves = np.array(list(BFLOAT16), "<u2").tobytes()
    (tmp_path / "a").write_bytes(start + halves + np.float32(7).tobytes())
    arrays, notes = read_arrays(tmp_path / "a")
    assert notes is None
    assert arrays["a"].dtype == arrays["b"].dtype == np.float32
    np.testing.assert_array_equal(arrays["a"].ravel(), list(BFLOAT16.values()))
    assert arrays["a"].shape == (2, 4)
    assert arrays["b"] == 7
    (tmp_path / "a").write_bytes(start + halves[:-1])
    with pytest.raises(FileFormatError, match="this is no readable safetensors file"):
        read_arrays(tmp_path / "a")
