"""Files from strangers: read right or refused, in bounded memory and time, running nothing."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.datasets import read_idx
from convnet_features.exceptions import ConvNetFeaturesError, FileFormatError
from convnet_features.files.safetensors import read_arrays, write_arrays

from . import counts
from .fuzz import PARSERS

#: What a reader may take beyond a few times the file itself.
ROOM = 64 << 20


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    network = ConvNetClassifier(max_epochs=1, random_state=0, dense_num_units=4)
    return network.fit(rng.random((20, 1, 6, 5)), np.arange(20) % 2)


@pytest.fixture(scope="module")
def model_file(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    fitted.save_params(path)
    return path.read_bytes()


def idx_file(rng):
    array = rng.integers(0, 255, (7, 5, 3), np.uint8)
    return struct.pack(">4B3I", 0, 0, 8, 3, 7, 5, 3) + array.tobytes()


def damaged(rng, contents):
    """Bytes changed, cut off, taken out or put in, most of all in front, where headers are."""
    data = bytearray(contents)
    for _ in range(int(rng.integers(1, 5))):
        near = (
            int(rng.integers(len(data) + 1))
            if rng.random() < 0.3
            else int(rng.integers(min(len(data), 400) + 1))
        )
        kind = rng.integers(5)
        if kind == 0 and near < len(data):
            data[near] = int(rng.integers(256))
        elif kind == 1:
            del data[near:]
        elif kind == 2:
            data[near:near] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 3:
            del data[near : near + int(rng.integers(1, 20))]
        else:
            sizes = (0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, int(rng.integers(2**32)))
            data[near : near + 8] = struct.pack("<Q", sizes[int(rng.integers(len(sizes)))])
    return bytes(data)


def read_safely(read, contents, limit=10.0):
    """Whether `read` gives something, or refuses, in bounded memory and time."""
    began = time.perf_counter()
    tracemalloc.start()
    try:
        read()
        return True
    except FileFormatError:
        return False
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * len(contents) + ROOM, f"{peak} bytes for a file of {len(contents)}"
        assert time.perf_counter() - began < limit


def test_damaged_model_files(model_file, fitted, tmp_path, rng, effort):
    path = tmp_path / "damaged.safetensors"
    accepted = 0
    for _ in range(400 * effort):
        contents = damaged(rng, model_file)
        path.write_bytes(contents)
        accepted += read_safely(lambda: read_arrays(path), contents)
    counts.add("damaged model files", 400 * effort)
    counts.add("damaged model files that were still readable", accepted)
    for _ in range(20 * effort):
        path.write_bytes(damaged(rng, model_file))
        before = fitted.transform(np.ones((2, 1, 6, 5)))
        try:
            fitted.load_params(path)
        except (ConvNetFeaturesError, ValueError):
            np.testing.assert_array_equal(fitted.transform(np.ones((2, 1, 6, 5))), before)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_idx_files(compressed, tmp_path, rng, effort):
    path = tmp_path / "damaged-idx"
    for _ in range(200 * effort):
        contents = idx_file(rng)
        contents = gzip.compress(damaged(rng, contents)) if compressed else damaged(rng, contents)
        if compressed and rng.random() < 0.5:
            contents = damaged(rng, contents)
        path.write_bytes(contents)
        read_safely(lambda: read_idx(path), contents)
    counts.add("damaged IDX files", 200 * effort)


def test_damaged_images(rng, effort):
    """Read or refused, one like another: what Pillow makes of them is its own affair."""
    pytest.importorskip("PIL")
    from convnet_features.images import ImageLoader

    loader, seeds = ImageLoader(8, n_jobs=1), PARSERS["images"].seeds()
    accepted = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about damaged notes
        for _ in range(300 * effort):
            contents = damaged(rng, seeds[int(rng.integers(len(seeds)))])
            accepted += read_safely(functools.partial(loader.transform, [contents]), contents)
    counts.add("damaged images", 300 * effort)
    counts.add("damaged images that were still readable", accepted)


def safetensors_file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LIES = {
    "an empty file": b"",
    "a header of 2**63 bytes": safetensors_file({}, length=2**63),
    "a header of 100 GB": safetensors_file({}, length=100 * 2**30),
    "a header that is no JSON": safetensors_file(b"{" * 100),
    "a header that is a list": safetensors_file([1, 2]),
    "deep JSON": safetensors_file(b'{"a":' * 50_000),
    "sizes that overflow": safetensors_file({"a": tensor(shape=(2**62, 2**62))}, bytes(8)),
    "negative sizes": safetensors_file({"a": tensor(shape=(-1, -2))}, bytes(8)),
    "an entry beyond the end": safetensors_file({"a": tensor(offsets=(0, 1 << 40))}, bytes(8)),
    "an entry that ends before it begins": safetensors_file(
        {"a": tensor(offsets=(8, 0))}, bytes(8)
    ),
    "overlapping entries": safetensors_file({"a": tensor(), "b": tensor()}, bytes(8)),
    "an unknown type": safetensors_file({"a": tensor(dtype="F31")}, bytes(8)),
    "bytes too many": safetensors_file({"a": tensor()}, bytes(9)),
    "bytes too few": safetensors_file({"a": tensor()}, bytes(7)),
    "metadata that is no text": safetensors_file(
        {"__metadata__": {"a": 5}, "a": tensor()}, bytes(8)
    ),
    "notes that are no JSON": safetensors_file(
        {"__metadata__": {"convnet_features": "{"}, "a": tensor()}, bytes(8)
    ),
    "deep notes": safetensors_file(
        {"__metadata__": {"convnet_features": "[" * 100_000}, "a": tensor()}, bytes(8)
    ),
    "huge numbers in notes": safetensors_file(
        {"__metadata__": {"convnet_features": "9" * 10_000}, "a": tensor()}, bytes(8)
    ),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_lying_model_files(lie, tmp_path):
    path = tmp_path / "lie.safetensors"
    path.write_bytes(LIES[lie])
    assert not read_safely(lambda: read_arrays(path), LIES[lie])
    counts.add("lying headers")


def test_names_with_paths_write_nothing(tmp_path, fitted):
    """A name in a file is a name of a parameter, and never one of a file."""
    path = tmp_path / "model.safetensors"
    write_arrays(path, {"../../escaped": np.zeros(2, np.float32), "/etc/passwd": np.zeros(2)})
    arrays, _ = read_arrays(path)
    assert set(arrays) == {"../../escaped", "/etc/passwd"}
    before = fitted.transform(np.ones((2, 1, 6, 5)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what fits no layer
        fitted.load_params(path)
    np.testing.assert_array_equal(fitted.transform(np.ones((2, 1, 6, 5))), before)
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


class Evil:
    """What a pickle can do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def evil_files(folder):
    """A pickle, one within an .npz, and one within an object array."""
    evil = pickle.dumps(Evil(folder / "it ran"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
        )
        file.writestr("dense.W.npy", header.getvalue() + evil)
    yield "a.pickle", evil
    yield "a.npz", archive.getvalue()
    yield "a.npy", header.getvalue() + evil


def test_nothing_in_a_file_is_run(fitted, tmp_path):
    for name, contents in evil_files(tmp_path):
        path = tmp_path / name
        path.write_bytes(contents)
        with pytest.raises((ConvNetFeaturesError, ValueError)):
            fitted.load_params(path)
        with pytest.raises(FileFormatError):
            read_arrays(path)
        with pytest.raises(FileFormatError):
            read_idx(path)
        assert not (tmp_path / "it ran").exists()
        counts.add("files that tried to run something")
    pickle.loads(next(evil_files(tmp_path))[1])
    assert (tmp_path / "it ran").exists()  # it would have


@pytest.mark.slow
@pytest.mark.parametrize("parser", list(PARSERS))
def test_coverage_guided_fuzzing(parser, tmp_path):
    """atheris looks for inputs that reach new branches of our parsers."""
    pytest.importorskip("atheris")
    for name, needed in (("onnx", "onnx"), ("images", "PIL")):
        if parser == name:
            pytest.importorskip(needed)
    # In a soak, all of them together take a tenth of the time.
    seconds = min(
        60, max(3, int(os.environ.get("ROBUSTNESS_SECONDS", "60")) // (10 * len(PARSERS)))
    )
    command = [sys.executable, "-m", "tests.robustness.fuzz", parser, "--seconds", str(seconds)]
    result = subprocess.run(
        [*command, "--corpus", str(tmp_path / "corpus")],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        cwd=Path(__file__).parents[2],
    )
    assert result.returncode == 0, result.stderr[-4000:]
    done = re.search(r"Done (\d+) (?:runs|in)", result.stderr)
    assert done, result.stderr[-4000:]
    counts.add(f"fuzzed {parser} files", int(done.group(1)))
