"""The pickle of the 2015 tutorials, and pickles that only pretend to be it."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnet_features.datasets import tutorial_pickle
from convnet_features.datasets.tutorial_pickle import read_tutorial_pickle
from convnet_features.exceptions import FileFormatError

SIZES, N_PIXELS = (4, 3, 2), 6


def parts(float_dtype="<f4", int_dtype="<i8"):
    rng = np.random.default_rng(1)
    return tuple(
        (
            (rng.integers(0, 256, (size, N_PIXELS)) / 256).astype(float_dtype),
            rng.integers(0, 10, size).astype(int_dtype),
        )
        for size in SIZES
    )


def read(path):
    return read_tutorial_pickle(path, SIZES, N_PIXELS)


def written(folder, contents):
    path = Path(folder, "some.pkl.gz")
    path.write_bytes(contents)
    return path


# What Python 2 wrote. Neither Python 3 nor today's NumPy can write these bytes.


def python2_array(array, core=b"numpy.core"):
    """Protocol 2 of Python 2: an array as cPickle wrote it with NumPy 1."""
    data = array.tobytes()
    shape = b"".join(b"J" + struct.pack("<i", n) for n in array.shape)
    dtype = array.dtype.str.encode()
    return (
        b"c"
        + core
        + b".multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01(" + shape + b"tcnumpy\ndtype\nq\x04U\x02" + dtype[1:] + b"K\x00K\x01\x87R"
        b"(K\x03U\x01" + dtype[:1] + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<i", len(data)) + data + b"tb"
    )


def python2(encode, data):
    pairs = [b"(" + encode(images) + encode(labels) + b"t" for images, labels in data]
    return b"(" + b"".join(pairs) + b"t."


def assert_read(path, data):
    for (images, labels), (images_read, labels_read) in zip(data, read(path), strict=True):
        np.testing.assert_array_equal(images_read, images)
        np.testing.assert_array_equal(labels_read, labels)
        assert labels_read.dtype == np.uint8


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_python_2(compress, tmp_path):
    assert_read(written(tmp_path, compress(python2(python2_array, parts()))), parts())


def test_both_names_of_numpys_core(tmp_path):
    def encode(array):
        return python2_array(array, core=b"numpy._core")

    assert_read(written(tmp_path, python2(encode, parts())), parts())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_python_3(protocol, order, tmp_path):
    data = tuple((np.asarray(images, order=order), labels) for images, labels in parts())
    assert_read(written(tmp_path, gzip.compress(pickle.dumps(data, protocol))), parts())


@pytest.mark.parametrize("dtypes", [(">f4", ">i4"), ("<f8", "<i4"), ("<f4", "|u1")])
@pytest.mark.parametrize("protocol", [2, 5])
def test_other_types_and_byte_orders(dtypes, protocol, tmp_path):
    assert_read(written(tmp_path, pickle.dumps(parts(*dtypes), protocol)), parts(*dtypes))


def test_lists_instead_of_tuples(tmp_path):
    assert_read(written(tmp_path, pickle.dumps([list(part) for part in parts()])), parts())


def test_our_python_2_bytes_are_right(tmp_path):
    """The oracle itself: the standard library reads our bytes as arrays."""
    loaded = pickle.loads(python2(python2_array, parts()), encoding="latin1")
    np.testing.assert_array_equal(loaded[1][0], parts()[1][0])


# What pretends


class Executes:
    """Leaves a trace if unpickling it runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(protocol, tmp_path):
    path = written(tmp_path, pickle.dumps(Executes(tmp_path / "ran"), protocol))
    module = os.mkdir.__module__
    message = rf"some\.pkl\.gz: not a pickle of NumPy arrays .* it asks for {module}\.mkdir"
    with pytest.raises(FileFormatError, match=message):
        read(path)
    assert not (tmp_path / "ran").exists()
    # The same bytes do run where they are trusted: the test can fail.
    pickle.loads(pickle.dumps(Executes(tmp_path / "ran"), protocol))
    assert (tmp_path / "ran").exists()


LONG = struct.pack("<q", 2**40)
BIG_TEXT = b"X" + struct.pack("<i", 20_000) + b"x" * 20_000
FORGED = pickle.dumps(np.zeros(3, "f4"), 2).replace(
    b"J\xff\xff\xff\xffK\x00t", b"J\xff\xff\xff\xffK\x3ft"
)
assert pickle.dumps(np.zeros(3, "f4"), 2) != FORGED


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "EOFError: the file ends 1 bytes early"),
        (b".", "IndexError"),
        (b"N.", "it is not 3 pairs of arrays"),
        (b"((NNt(NNt(NNtt.", "it is not 3 pairs of arrays"),
        (FORGED, "it is not 3 pairs of arrays"),
        (pickle.dumps({1: 2}), "it is not 3 pairs of arrays"),
        (pickle.dumps({1, 2}), "instruction 0x8f is not one that arrays need"),
        (b"S'text'\n.", "instruction 0x53 is not one that arrays need"),
        (b"cbuiltins\neval\n.", r"it asks for builtins\.eval"),
        (b"cnumpy\nload\n.", r"it asks for numpy\.load"),
        (b"c" + b"m" * 9999 + b"\nn\n.", r"it asks for m{40}\.n"),
        (b"\x80\x63.", "unsupported pickle protocol"),
        (b"NN\x85R.", "it calls something that cannot be called"),
        (b"cnumpy\ndtype\n" + BIG_TEXT + b"R.", "it calls something that cannot be called"),
        (b"NNb.", "it sets the state of something else"),
        (b"cnumpy\ndtype\nNb.", "it sets the state of something else"),
        (b"T\xff\xff\xff\x7f", "longer than the arrays expected in it"),
        (b"T\xff\xff\xff\xff", "negative byte count"),
        (b"\x8e" + LONG, "longer than the arrays expected in it"),
        (b"\x96" + LONG, "longer than the arrays expected in it"),
        (b"\x8d" + LONG, "longer than the arrays expected in it"),
        (b"\x8b\xff\xff\xff\x7f", "longer than the arrays expected in it"),
        (b"N" * 20_000, "longer than the arrays expected in it"),
        (b"I" + b"1" * 5000 + b"\n.", "ValueError: Exceeds the limit"),
        (b"Nr\xff\xff\xff\xff0.", "instruction 0x30 is not one"),
        (b"j\xff\xff\xff\xff.", "Memo value not found"),
    ],
)
def test_pretenders(contents, message, tmp_path):
    for compress in (bytes, gzip.compress):
        with pytest.raises(FileFormatError, match=message):
            read(written(tmp_path, compress(contents)))


def with_first_array(array_pickle):
    """A pickle in which only the first array is not what it should be."""
    rest = python2(python2_array, parts())[2:]
    return b"((" + array_pickle + rest[len(python2_array(parts()[0][0])) :]


GOOD = python2_array(parts()[0][0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"U\x02f4", b"U\x02O8", "an array of something else than numbers"),
        (b"U\x02f4", b"U\x02V4", "an array of something else than numbers"),
        (b"U\x01<", b"U\x01?", "an array of unknown byte order"),
        (b"J\x06\0\0\0", b"J\xff\xff\xff\xff", "the shape of an array is no shape"),
        (b"J\x06\0\0\0", b"K\x07", r"images of shape \(4, 7\) and dtype float32; expected float"),
        (b"J\x06\0\0\0", b"\x8a\x05\0\0\0\0\x7f", "the shape of an array is no shape"),
        (b"U\x02f4", b"U\x02i4", "and dtype int32; expected floating point of shape"),
        (b"U\x02f4", b"U\x02f8", "ValueError"),
        (b"(K\x01(", b"((", r"NumPy arrays"),
        (b"(K\x01(", b"(K\x01K\x01(", "an array without its state"),
    ],
)
def test_array_that_is_none(old, new, message, tmp_path):
    assert GOOD.count(old) == 1
    path = written(tmp_path, with_first_array(GOOD.replace(old, new)))
    if message == r"NumPy arrays":  # A state without version is as good.
        assert_read(path, parts())
        return
    with pytest.raises(FileFormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda images, labels: (images * 256, labels),
            r"gz: pixels from \d.* expected 0 <= pixel < 1",
        ),
        (lambda images, labels: (images - 1, labels), "pixels from -.* expected 0 <= pixel < 1"),
        (lambda images, labels: (images * np.float32("nan"), labels), "pixels from nan to nan"),
        (lambda images, labels: (images, labels + 10), r"labels from 1\d to 1\d; expected 0 to 9"),
        (lambda images, labels: (images, labels - 10), r"labels from -\d+ to -\d+; expected 0 to"),
        (lambda images, labels: (images, labels / 2), "dtype float64; expected whole numbers of"),
        (
            lambda images, labels: (images[1:], labels),
            r"images of shape \(3, 6\) and dtype float32",
        ),
        (lambda images, labels: (images, labels[1:]), r"labels of shape \(3,\) and dtype int64"),
    ],
)
def test_wrong_contents(change, message, tmp_path):
    first, *rest = parts()
    path = written(tmp_path, pickle.dumps((change(*first), *rest)))
    with pytest.raises(FileFormatError, match=message):
        read(path)


def peak_memory_of_refusal(path):
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            read(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_references_to_one_long_string(tmp_path):
    """Nothing is converted until it is known to be wanted, so references stay references."""
    text = b"X" + struct.pack("<i", 500_000) + b"x" * 500_000 + b"q\x00"
    arrays = (b"c_codecs\nencode\nh\x00U\x06latin1\x86R") * 800
    path = written(tmp_path, gzip.compress(b"(" + text + arrays + b"t."))
    assert peak_memory_of_refusal(path) < 20 * 2**20


def test_memo_index_takes_no_memory(tmp_path):
    assert peak_memory_of_refusal(written(tmp_path, b"Nr\xff\xff\xff\x7fN.")) < 2**20


def test_bomb(tmp_path):
    bomb = gzip.compress(b"T" + struct.pack("<i", 2**28) + bytes(2**28))
    assert peak_memory_of_refusal(written(tmp_path, bomb)) < 4 * 2**20


@pytest.mark.parametrize(
    "text",
    [
        b"X" + struct.pack("<I", 3 << 20) + b"x" * ((3 << 20) - 4) + "\U0001f600".encode(),
        b"\x8d" + struct.pack("<Q", 3 << 20) + b"x" * ((3 << 20) - 4) + "\U0001f600".encode(),
        b"V" + b"x" * (3 << 20) + b"\\U0001f600\n",
    ],
    ids=["BINUNICODE", "BINUNICODE8", "UNICODE"],
)
def test_text_takes_no_more_memory_than_bytes(text, tmp_path, monkeypatch):
    """One rare character would make four bytes of each of the others."""
    path = written(tmp_path, text + b".")
    monkeypatch.setattr(tutorial_pickle, "_SLACK_BYTES", 8 << 20)
    assert peak_memory_of_refusal(path) < 8 * 2**20
    with pytest.raises(FileFormatError, match="long text that holds no bytes"):
        read(path)


def test_a_bomb_smaller_than_what_is_expected(tmp_path):
    """The file's own size is a bound too: 400 kB make no 400 MB, though MNIST has as many."""
    n_bytes = 400 << 20
    bomb = gzip.compress(b"T" + struct.pack("<i", n_bytes) + bytes(n_bytes) + b"0.", 9)
    path = written(tmp_path, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match="it is longer than the arrays expected in it"):
            read_tutorial_pickle(path, (50_000, 10_000, 10_000), 784)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_tower_of_tuples(tmp_path):
    """2**60 leaves if anything walked it."""
    tower = b"(tq\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60))
    assert peak_memory_of_refusal(written(tmp_path, tower + b".")) < 2**20
    hidden = GOOD.replace(b"U\x02f4", tower)
    assert peak_memory_of_refusal(written(tmp_path, with_first_array(hidden))) < 2**20


def test_damaged_compression(tmp_path):
    contents = gzip.compress(pickle.dumps(parts()))
    for damaged in (contents[:-10], contents[:40] + b"\xff" * 20 + contents[60:]):
        with pytest.raises(FileFormatError, match="or damaged"):
            read(written(tmp_path, damaged))


SEEDS = [
    python2(python2_array, parts()),
    *(pickle.dumps(parts(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
]


@given(st.data(), st.sampled_from(SEEDS))
@settings(deadline=None, max_examples=500)
def test_damaged_pickle_is_read_or_refused(data, contents):
    contents = bytearray(contents)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(contents)))
        contents[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(written(folder, contents))
        except FileFormatError:
            return
    # What still loads has the right shapes and ranges, whatever was changed in it.
    for (images, labels), size in zip(found, SIZES, strict=True):
        assert images.shape == (size, N_PIXELS)
        assert images.min() >= 0
        assert images.max() < 1
        assert labels.shape == (size,)
        assert labels.max() < 10
