"""Files of torch.save, read without PyTorch: `tests/data/state_dicts/write.py` wrote them with it."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convnet_features.exceptions import FileFormatError
from convnet_features.files.state_dicts import looks_like_state_dict, read_state_dict

from ..network.presets.state_dict_values import values

FOLDER = Path(__file__).parents[1] / "data" / "state_dicts"
kinds = pytest.mark.parametrize("kind", ["new", "old"])
NUMBERS = np.arange(24, dtype=np.float32)


@kinds
def test_tensors_of_all_kinds(kind):
    found = read_state_dict(FOLDER / f"{kind}.pth")
    expected = {
        "whole": NUMBERS.reshape(2, 3, 4),
        "part": NUMBERS[5:11].reshape(2, 3),
        "turned": NUMBERS.reshape(4, 6).T,
        "repeated": np.full(5, 3, np.float32),
        "double": NUMBERS.astype(np.float64) / 7,
        "half": NUMBERS[:5].astype(np.float16) / np.float16(3),
        # The first 16 bits of each number of float32, rounded to the nearest.
        "brain": np.array([0, 0.333984375, 0.66796875, 1, 1.3359375], np.float32),
        "long": np.array(12345678901),
        "byte": np.arange(5, dtype=np.uint8),
        "truth": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "parameter": NUMBERS[:4],
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == array.dtype, name
        assert found[name].flags.writeable, name


@kinds
@pytest.mark.parametrize("what", ["network", "checkpoint"])
def test_a_network_and_a_checkpoint_of_it(kind, what):
    found = read_state_dict(FOLDER / f"{kind}_{what}.pth")
    assert list(found) == [
        "conv.weight",
        "conv.bias",
        "bn.weight",
        "bn.bias",
        "bn.running_mean",
        "bn.running_var",
        "bn.num_batches_tracked",
    ]
    for name, array in found.items():
        np.testing.assert_array_equal(array, values(name, array.shape))


@kinds
def test_a_whole_model_is_not_read(kind):
    path = FOLDER / f"{kind}_model.pth"
    message = re.escape(
        f"{path}: no state dict of PyTorch, or damaged (UnpicklingError: it asks for "
        "torch.nn.modules.container.Sequential). Expected a file of torch.save(model.state_dict(), "
        "...): names and tensors. Of a whole model, or of other objects, nothing is read."
    )
    with pytest.raises(FileFormatError, match=message):
        read_state_dict(path)


@kinds
def test_is_told_from_other_files(kind, tmp_path):
    assert looks_like_state_dict(FOLDER / f"{kind}.pth")
    np.savez(tmp_path / "a.npz", a=NUMBERS)
    for content in (b"", b"PK\x03\x04", pickle.dumps({"a": 1}, 2), b"{}"):
        (tmp_path / "other").write_bytes(content)
        assert not looks_like_state_dict(tmp_path / "other")
    assert not looks_like_state_dict(tmp_path / "a.npz")


@kinds
def test_damage_is_noticed_or_harmless(kind, tmp_path):
    """Whatever byte changes, or wherever the file ends, nothing but `FileFormatError` is raised."""
    whole = (FOLDER / f"{kind}_network.pth").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.pth"
    for place in rng.integers(0, len(whole), 150).tolist():
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        for content in (bytes(changed), whole[:place]):
            path.write_bytes(content)
            try:
                found = read_state_dict(path)
            except FileFormatError:
                continue
            assert sum(array.nbytes for array in found.values()) <= 4 * len(whole)


# Files that lie, made by hand: pickles of a few instructions.

STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"


def tensor(count=4, start=0, shape=(4,), strides=(1,)):
    """The instructions that make a tensor of the storage called 0."""

    def number(value):
        return b"\x8a\x08" + struct.pack("<q", value)

    def row(numbers):
        return b"(" + b"".join(map(number, numbers)) + b"t"

    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + number(count) + b"tQ"
    return made + number(start) + row(shape) + row(strides) + b"\x89NtR"


def entry(name, value):
    return b"X" + struct.pack("<I", len(name)) + name.encode() + value + b"s"


def archive(*entries, data=bytes(16), compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        made.writestr("archive/data.pkl", b"\x80\x02}" + b"".join(entries) + b".")
        made.writestr("archive/data/0", data)
    return file.getvalue()


def test_what_was_made_by_hand_is_sound(tmp_path):
    path = tmp_path / "made.pth"
    path.write_bytes(archive(entry("a", tensor()), data=NUMBERS[:4].tobytes()))
    np.testing.assert_array_equal(read_state_dict(path)["a"], NUMBERS[:4])


class Bomb:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / "made"),)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (archive(entry("a", tensor(start=1))), "a tensor that is larger than its storage"),
        (archive(entry("a", tensor(shape=(2, 3), strides=(3, 1)))), "larger than its storage"),
        (archive(entry("a", tensor(strides=(-1,)))), "a tensor whose strides is none"),
        (archive(entry("a", tensor(shape=(2,) * 9, strides=(0,) * 9))), "a strange shape"),
        (archive(entry("a", tensor(shape=(4, 1)))), "a tensor of a strange shape"),
        (archive(entry("a", tensor(count=5))), "a storage of 4 numbers, not 5"),
        (archive(entry("a", tensor()), data=bytes(15)), "multiple of element size"),
        (archive(entry("a", tensor(shape=(2**39,), strides=(0,)))), "far larger than itself"),
        (archive(entry("a", b"K\x01")), "'a' stands for something else than a tensor"),
        (archive(entry("a", tensor()), compression=zipfile.ZIP_DEFLATED), "are compressed"),
        (archive(entry("a", tensor().replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x009"))), "9"),
        (archive(entry("a", tensor().replace(b"FloatStorage", b"QUInt8Storage"))), "QUInt8Storage"),
    ],
)
def test_files_that_lie(content, match, tmp_path):
    path = tmp_path / "lies.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=match):
        read_state_dict(path)


def test_what_it_says_is_not_run(tmp_path):
    made = pickle.dumps({"a": Bomb(tmp_path)}, 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as whole:
        whole.writestr("archive/data.pkl", made)
    (tmp_path / "bomb.pth").write_bytes(file.getvalue())
    with pytest.raises(FileFormatError, match=r"it asks for (posix|nt)\.mkdir"):
        read_state_dict(tmp_path / "bomb.pth")
    assert not (tmp_path / "made").exists()


def test_lists_within_lists_are_looked_at_once(tmp_path):
    """In the old format, whose storages are looked for anywhere: 10 ** 60 ways lead to the last."""
    nested = b"]"
    for _ in range(60):
        nested = b"](" + nested + b"q\x01" + b"h\x01" * 9 + b"e"
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    head += pickle.dumps({"little_endian": True}, 2)
    made = head + b"\x80\x02}" + entry("a", nested) + b"." + pickle.dumps([], 2)
    (tmp_path / "lists.pth").write_bytes(made)
    with pytest.raises(FileFormatError, match="something else than a tensor"):
        read_state_dict(tmp_path / "lists.pth")


def test_numbers_with_the_first_byte_first(tmp_path):
    file = io.BytesIO(archive(entry("a", tensor())))
    with zipfile.ZipFile(file, "a") as whole:
        whole.writestr("archive/byteorder", b"big")
    (tmp_path / "big.pth").write_bytes(file.getvalue())
    with pytest.raises(FileFormatError, match="its numbers have their first byte first"):
        read_state_dict(tmp_path / "big.pth")


def test_no_file_of_that_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / "none.pth")


def nested(depth):
    """The instructions of a tuple that holds another twice, which holds another twice, ..."""
    made = b")q\x00"
    for i in range(depth):
        made += b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
    return made


@pytest.mark.parametrize("place", ["names", "names of the old format", "keys of storages"])
def test_tuples_within_tuples(place, tmp_path):
    """Nobody writes them out, or hashes them: that would take 2 ** 60 steps."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    entries = b"\x80\x02}" + nested(60) + b"K\x01s."
    little = pickle.dumps({"little_endian": True}, 2)
    content = {
        "names": archive(nested(60) + b"K\x01s"),
        "names of the old format": head + entries,
        "keys of storages": head
        + little
        + pickle.dumps({}, 2)
        + b"\x80\x02]"
        + nested(60)
        + b"a."
        + bytes(8),
    }[place]
    (tmp_path / "nested.pth").write_bytes(content)
    with pytest.raises(FileFormatError, match="no state dict of PyTorch, or damaged"):
        read_state_dict(tmp_path / "nested.pth")


def test_an_encrypted_archive(tmp_path):
    content = bytearray(archive(entry("a", tensor())))
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        found = content.find(mark)
        while found >= 0:
            content[found + place] |= 1
            found = content.find(mark, found + 1)
    (tmp_path / "secret.pth").write_bytes(content)
    with pytest.raises(FileFormatError, match="is encrypted"):
        read_state_dict(tmp_path / "secret.pth")


@pytest.mark.parametrize("name", ["cut.pth", "cut.pt", "pytorch_model.bin"])
def test_a_file_that_was_cut_off_is_still_pytorchs(name, tmp_path):
    (tmp_path / name).write_bytes(archive(entry("a", tensor()))[:-30])
    assert looks_like_state_dict(tmp_path / name)
    with pytest.raises(FileFormatError, match="no state dict of PyTorch, or damaged"):
        read_state_dict(tmp_path / name)
