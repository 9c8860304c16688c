"""IDX files: every type, and every way in which a file can lie."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convnet_features.datasets import idx as idx_module
from convnet_features.datasets import read_idx, write_idx
from convnet_features.datasets.idx import idx_sha256
from convnet_features.exceptions import FileFormatError

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")


def numbers(dtype, shape=(2, 3, 7)):
    return (np.arange(np.prod(shape)) * 5 - 11).reshape(shape).astype(dtype)


def header(code, *lengths):
    return bytes([0, 0, code, len(lengths)]) + b"".join(n.to_bytes(4, "big") for n in lengths)


def read(contents, **kwargs):
    return read_idx(io.BytesIO(contents), **kwargs)


# Right answers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_reads_every_type(dtype, compress, encode_idx):
    expected = numbers(dtype)
    array = read(compress(encode_idx(expected)))
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.flags.writeable
    assert array.flags.c_contiguous


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_writes_what_the_description_says(dtype, name, tmp_path, encode_idx):
    array = numbers(dtype)
    write_idx(tmp_path / name, array)
    contents = (tmp_path / name).read_bytes()
    if name.endswith(".gz"):
        contents = gzip.decompress(contents)
    assert contents == encode_idx(array)
    np.testing.assert_array_equal(read_idx(str(tmp_path / name)), array)
    assert os.listdir(tmp_path) == [name]


def test_equal_arrays_give_equal_files(tmp_path):
    write_idx(tmp_path / "a.gz", numbers("uint8"))
    write_idx(tmp_path / "b.gz", np.asfortranarray(numbers("uint8")))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_written_file_has_the_users_permissions(tmp_path):
    write_idx(tmp_path / "ours", numbers("uint8"))
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@given(
    hnp.arrays(
        dtype=st.sampled_from([np.dtype(name).newbyteorder(o) for name in DTYPES for o in "<>"]),
        shape=hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=6),
    ),
    st.sampled_from(["numbers", "numbers.gz"]),
)
@settings(deadline=None)
def test_round_trip(array, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_idx(path, array)
        found = read_idx(path)
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")


def test_file_object_is_read_from_where_it_stands_and_left_open(encode_idx):
    file = io.BytesIO(b"before" + encode_idx(numbers("int16")))
    file.seek(6)
    np.testing.assert_array_equal(read_idx(file), numbers("int16"))
    assert not file.closed


def test_unbuffered_file_with_short_reads(tmp_path, encode_idx):
    class OneByteAtATime(io.FileIO):
        def read(self, size=-1):
            return super().read(min(size, 1))

    (tmp_path / "numbers").write_bytes(encode_idx(numbers("int32")))
    with OneByteAtATime(tmp_path / "numbers") as file:
        np.testing.assert_array_equal(read_idx(file), numbers("int32"))


def test_checksum_is_that_of_the_file(tmp_path):
    write_idx(tmp_path / "numbers", numbers("float32"))
    expected = hashlib.sha256((tmp_path / "numbers").read_bytes()).hexdigest()
    assert idx_sha256(numbers("float32")) == expected


# Files that lie


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "not an IDX file: it starts with nothing, it is empty"),
        (b"\0\0\x08", "not an IDX file: it starts with bytes 00 00 08"),
        (b"\x89PNG\r\n", "not an IDX file: it starts with bytes 89 50 4e 47; an IDX file starts"),
        (header(0x0A, 2) + b"ab", r"unknown IDX type code 0x0a; expected one of 0x08, .*float64"),
        (header(0x08), "its header says 0 dimensions; expected 1 to 32"),
        (b"\0\0\x08\xff" + b"\0" * 1020, "its header says 255 dimensions; expected 1 to 32"),
        (b"\0\0\x08\x03\0\0\0\x01", "its header needs 16 bytes for 3 dimensions and ends after 8"),
        (header(0x0B, 2, 3) + b"abc", r"promises 12 bytes of int16 for shape \(2, 3\); found 3"),
        (header(0x08, 3) + b"abcd", r"promises 3 bytes of uint8 for shape \(3,\), and the file g"),
        (header(0x08, 0) + b"a", "data after the end: its header promises 0 bytes"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_wrong_contents(contents, message, compress, tmp_path):
    path = tmp_path / "lies-idx3-ubyte"
    path.write_bytes(compress(contents))
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@contextmanager
def memory_below(n_bytes):
    """Assert that the block takes less memory than this at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()


HUGE = [
    (2**32 - 1,) * 4,
    (2**32 - 1,) * 32,
    (0, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    (2**32 - 1, 2**32 - 1, 0, 2**32 - 1),
]


@pytest.mark.parametrize(
    ("lengths", "max_bytes"),
    [((2**31,), 2**30), ((2**16, 2**16), 2**30)]
    + [(lengths, limit) for lengths in HUGE for limit in (2**30, None)],
)
def test_huge_promise_is_refused_before_memory_is_taken(lengths, max_bytes):
    contents = header(0x0E, *lengths) + b"few"
    message = r"promises an array .* at most max_bytes=\d+ are"
    with memory_below(2**20), pytest.raises(FileFormatError, match=message):
        read(contents, max_bytes=max_bytes)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_memory_follows_the_data_and_not_the_promise(compress):
    contents = compress(header(0x08, 2**30) + b"few")
    message = "promises 1073741824 bytes .* found 3"
    with memory_below(4 * 2**20), pytest.raises(FileFormatError, match=message):
        read(contents)


def test_limit_is_inclusive():
    assert read(header(0x08, 3) + b"abc", max_bytes=3).shape == (3,)
    with pytest.raises(FileFormatError, match="which is 3 bytes; at most max_bytes=2 are read"):
        read(header(0x08, 3) + b"abc", max_bytes=2)


def test_bomb_is_not_inflated_beyond_the_promise():
    bomb = gzip.compress(header(0x08, 5) + bytes(200 * 2**20))
    message = "data after the end"
    with memory_below(4 * 2**20), pytest.raises(FileFormatError, match=message):
        read(bomb)


def test_bomb_that_promises_what_it_makes(tmp_path):
    """256 MB of zeros in 260 kB: refused at 64 times its size, unless it is trusted."""
    header = struct.pack(">4BI", 0, 0, 8, 1, 1 << 28)
    path = tmp_path / "zeros"
    path.write_bytes(gzip.compress(header + bytes(1 << 28)))
    limit = 64 * path.stat().st_size + (1 << 24)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError) as caught:
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 1.3 * limit
    finally:
        tracemalloc.stop()
    assert str(caught.value) == (
        f"{path}: its compression makes more than {limit} bytes of so small a file, as no images "
        "and no labels are. If you trust the file, read it with read_idx(..., max_bytes=None)."
    )
    with path.open("rb") as file, pytest.raises(FileFormatError, match="its compression makes"):
        read_idx(file)
    assert not read_idx(path, max_bytes=None).any()


def test_truncated_compression(tmp_path, encode_idx):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(encode_idx(numbers("uint8")))[:-5])
    with pytest.raises(FileFormatError, match=r"cut\.gz: its gzip compression is damaged: Compres"):
        read_idx(tmp_path / "cut.gz")


def test_wrong_checksum_of_the_compression(encode_idx):
    contents = bytearray(gzip.compress(encode_idx(numbers("uint8"))))
    contents[-8] ^= 1
    with pytest.raises(FileFormatError, match="its gzip compression is damaged: CRC check failed"):
        read(bytes(contents))


def test_text_mode():
    with pytest.raises(TypeError, match="opened in text mode; open it in binary mode, 'rb'"):
        read_idx(io.StringIO("text"))


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")


@st.composite
def damaged(draw, contents):
    """Cut, overwrite and insert bytes."""
    contents = bytearray(contents)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(contents)))
        stop = min(len(contents), start + draw(st.integers(0, 8)))
        contents[start:stop] = draw(st.binary(max_size=8))
    return bytes(contents)


@given(st.data(), st.sampled_from(DTYPES), st.booleans())
@settings(deadline=None, max_examples=500)
def test_damaged_file_is_read_right_or_refused(data, dtype, compressed):
    array = numbers(dtype, (2, 3))
    code = dict(zip(DTYPES, (8, 9, 11, 12, 13, 14), strict=True))[dtype]
    valid = header(code, 2, 3) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    contents = data.draw(damaged(gzip.compress(valid) if compressed else valid))
    try:
        found = read(contents, max_bytes=2**16)
    except FileFormatError:
        return
    plain = gzip.decompress(contents) if contents[:2] == b"\x1f\x8b" else contents
    with tempfile.TemporaryDirectory() as folder:
        write_idx(Path(folder, "again"), found)
        assert Path(folder, "again").read_bytes() == plain


@given(st.binary(max_size=64))
def test_noise_is_refused(contents):
    # Behind a right start, so that it gets past the first check.
    with pytest.raises(FileFormatError):
        read(b"\0\0\x08\x02\xff\xff" + contents)


# What cannot be written


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float16", "bool", "complex64", "object"])
def test_type_that_idx_lacks(dtype, tmp_path):
    with pytest.raises(ValueError, match=f"IDX has no type for {dtype}; its types are uint8, int"):
        write_idx(tmp_path / "numbers", np.zeros(2, dtype))
    assert os.listdir(tmp_path) == []


def test_scalar(tmp_path):
    with pytest.raises(ValueError, match="an array of 0 dimensions does not fit into an IDX file"):
        write_idx(tmp_path / "number", np.uint8(3))


def test_shape_without_room(tmp_path):
    with pytest.raises(ValueError, match="its dimensions are at most 4294967295 long"):
        write_idx(tmp_path / "numbers", np.empty((0, 2**32), np.uint8))


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_failure_while_writing_leaves_the_previous_file(name, tmp_path, monkeypatch):
    write_idx(tmp_path / name, numbers("uint8"))

    def fail(file, header, array):
        file.write(header)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(idx_module, "_write", fail)
    with pytest.raises(OSError, match=rf"No space left on device: .*{name}"):
        write_idx(tmp_path / name, numbers("int16"))
    np.testing.assert_array_equal(read_idx(tmp_path / name), numbers("uint8"))
    assert os.listdir(tmp_path) == [name]


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_idx(tmp_path / "nowhere" / "numbers", numbers("uint8"))
