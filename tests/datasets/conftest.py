"""A data set as small as can be, in each of the forms in which data sets come."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from convnet_features.datasets.catalogue import IdxDataset, IdxFile

# Remembered here, because the other tests must not see it.
_DATA_FOLDER = os.environ.get("CONVNET_FEATURES_DATA")

N_TRAIN, N_VALIDATION, N_TEST, HEIGHT, WIDTH = 7, 3, 2, 5, 11


def encode_idx(array: np.ndarray) -> bytes:
    """Encode IDX by the letter of its description: the oracle of these tests."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@dataclass(frozen=True)
class Tiny:
    """A data set of the size of a thumbnail, its arrays, and its files."""

    dataset: IdxDataset
    arrays: dict[str, np.ndarray]

    def write(self, folder: Path, *, suffix: str = ".gz", without: tuple[str, ...] = ()) -> Path:
        """Write its IDX files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for key, file in self.dataset.files.items():
            if key not in without:
                contents = encode_idx(self.arrays[key])
                if suffix == ".gz":
                    contents = gzip.compress(contents)
                (folder / f"{file.name}{suffix}").write_bytes(contents)
        return folder

    def expected(self) -> list[np.ndarray]:
        """Return what a loader must return, computed in the tutorial's own words."""
        X, y = self.arrays["X_train"], self.arrays["y_train"]
        X_test, y_test = self.arrays["X_test"], self.arrays["y_test"]
        X, X_test = (
            (images / np.float32(256)).reshape(-1, 1, HEIGHT, WIDTH) for images in (X, X_test)
        )
        X, X_val = X[:-N_VALIDATION], X[-N_VALIDATION:]
        y, y_val = y[:-N_VALIDATION], y[-N_VALIDATION:]
        return [X, y, X_val, y_val, X_test, y_test]

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the pairs that the tutorial's pickle holds."""
        flat = [a if a.ndim == 1 else a.reshape(len(a), -1) for a in self.expected()]
        return [(flat[i], flat[i + 1].astype(np.int64)) for i in (0, 2, 4)]


@pytest.fixture
def tiny() -> Tiny:
    rng = np.random.default_rng(0)
    arrays = {
        "X_train": rng.integers(0, 256, (N_TRAIN + N_VALIDATION, HEIGHT, WIDTH), np.uint8),
        "y_train": rng.integers(0, 10, N_TRAIN + N_VALIDATION, np.uint8),
        "X_test": rng.integers(0, 256, (N_TEST, HEIGHT, WIDTH), np.uint8),
        "y_test": rng.integers(0, 10, N_TEST, np.uint8),
    }
    names = {
        "X_train": "train-images-idx3-ubyte",
        "y_train": "train-labels-idx1-ubyte",
        "X_test": "t10k-images-idx3-ubyte",
        "y_test": "t10k-labels-idx1-ubyte",
    }
    files = {
        key: IdxFile(names[key], array.shape, hashlib.sha256(encode_idx(array)).hexdigest())
        for key, array in arrays.items()
    }
    mirrors = ("http://127.0.0.1:9/nobody-listens-here",)
    dataset = IdxDataset("Tiny", "tiny", files, mirrors, N_VALIDATION, "tiny.pkl.gz")
    return Tiny(dataset, arrays)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Keep the tests away from this machine's own folders and proxies."""
    monkeypatch.delenv("CONVNET_FEATURES_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "sklearn" / "convnet_features"


@pytest.fixture
def real_data(monkeypatch) -> str:
    """Point CONVNET_FEATURES_DATA at the real files again."""
    if not _DATA_FOLDER:
        pytest.skip("CONVNET_FEATURES_DATA is not set: it names the folder with the real files")
    monkeypatch.setenv("CONVNET_FEATURES_DATA", _DATA_FOLDER)
    return _DATA_FOLDER


@pytest.fixture(name="encode_idx")
def encode_idx_fixture():
    return encode_idx
