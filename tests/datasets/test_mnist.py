"""Where MNIST and its kind are found, and what is made of their files."""

from __future__ import annotations

import gzip
import os
import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convnet_features.datasets import load_fashion_mnist, load_mnist
from convnet_features.datasets.catalogue import MNIST, IdxDataset, IdxFile
from convnet_features.datasets.idx import idx_sha256, write_idx
from convnet_features.datasets.mnist import load
from convnet_features.exceptions import DatasetNotFoundError, FileFormatError


def find(tiny, data_home=None, **kwargs):
    return load(tiny.dataset, data_home, download_if_missing=False, **kwargs)


def assert_loaded(found, tiny):
    for array, expected in zip(found, tiny.expected(), strict=True):
        np.testing.assert_array_equal(array, expected)


def write_pickle(path, tiny):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(pickle.dumps(tiny.parts(), 2)))
    return path


# Places


@pytest.mark.parametrize("subfolder", ["tiny", "."])
@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("kind", [str, Path])
def test_data_home(tiny, tmp_path, subfolder, suffix, kind):
    tiny.write(tmp_path / subfolder, suffix=suffix)
    assert_loaded(find(tiny, kind(tmp_path)), tiny)


def test_data_home_in_the_users_home(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tiny.write(tmp_path / "data" / "tiny")
    assert_loaded(find(tiny, "~/data"), tiny)


@pytest.mark.parametrize("subfolder", ["tiny", "."])
def test_environment_variable(tiny, tmp_path, monkeypatch, subfolder):
    monkeypatch.setenv("CONVNET_FEATURES_DATA", str(tmp_path))
    tiny.write(tmp_path / subfolder)
    assert_loaded(find(tiny), tiny)


def test_cache(tiny, cache):
    tiny.write(cache / "tiny")
    assert_loaded(find(tiny), tiny)


def test_default_cache_is_in_scikit_learns_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("SCIKIT_LEARN_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tiny.write(tmp_path / "scikit_learn_data" / "convnet_features" / "tiny")
    assert_loaded(find(tiny), tiny)


def test_order_of_the_places(tiny, tmp_path, monkeypatch, cache):
    """Files that are broken, each of which would be noticed if it were opened."""
    home, variable = tmp_path / "home", tmp_path / "variable"
    monkeypatch.setenv("CONVNET_FEATURES_DATA", str(variable))
    folders = [home / "tiny", home, variable / "tiny", variable, cache / "tiny"]
    for folder in reversed(folders):
        tiny.write(folder)
        assert_loaded(find(tiny, home), tiny)
        for path in folder.glob("*ubyte*"):
            path.write_bytes(b"broken")
        with pytest.raises(FileFormatError, match=f"{folder}/train-images-idx3-ubyte.gz: not an"):
            find(tiny, home)


def test_idx_files_are_preferred_to_the_pickle(tiny, tmp_path):
    tiny.write(tmp_path / "tiny")
    (tmp_path / "tiny.pkl.gz").write_bytes(b"broken")
    assert_loaded(find(tiny, tmp_path), tiny)


def test_looking_creates_nothing(tiny, tmp_path):
    with pytest.raises(DatasetNotFoundError):
        find(tiny, tmp_path / "home")
    assert os.listdir(tmp_path) == []


# The tutorial's pickle


@pytest.mark.parametrize("name", ["tiny.pkl.gz", "tiny/tiny.pkl.gz"])
def test_pickle_in_data_home(tiny, tmp_path, name):
    write_pickle(tmp_path / name, tiny)
    assert_loaded(find(tiny, tmp_path), tiny)


def test_pickle_by_its_path(tiny, tmp_path):
    assert_loaded(find(tiny, write_pickle(tmp_path / "any name", tiny)), tiny)


def test_no_pickle_is_opened_that_the_user_did_not_name(tiny, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("CONVNET_FEATURES_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "tiny", cache, cache / "tiny"):
        write_pickle(folder / "tiny.pkl.gz", tiny)
    with pytest.raises(DatasetNotFoundError):
        find(tiny)


def test_pickle_and_idx_files_give_the_same(tiny, tmp_path):
    from_pickle = find(tiny, write_pickle(tmp_path / "a.pkl.gz", tiny), dtype="uint8")
    from_idx = find(tiny, tiny.write(tmp_path / "idx"), dtype="uint8")
    for a, b in zip(from_pickle, from_idx, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_pickle_whose_pixels_are_no_bytes(tiny, tmp_path):
    parts = [(images * np.float32(0.3), labels) for images, labels in tiny.parts()]
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(parts))
    find(tiny, path)
    with pytest.raises(FileFormatError, match="its pixels are not whole numbers divided by 256"):
        find(tiny, path, dtype="uint8")


def test_fashion_mnist_has_no_pickle(tmp_path):
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(b"")
    with pytest.raises(DatasetNotFoundError, match=f"data_home: {path}: expected a folder"):
        load_fashion_mnist(path)


def test_pickle_that_is_not_there(tmp_path):
    match = rf"{tmp_path}/mnist\.pkl\.gz: no such file\nDownload: not tried, because data_home nam"
    with pytest.raises(DatasetNotFoundError, match=match):
        load_mnist(tmp_path / "mnist.pkl.gz")


# Errors


def test_error_lists_every_place_and_what_to_do(tiny, tmp_path, monkeypatch, cache):
    home, variable = tmp_path / "home", tmp_path / "variable"
    tiny.write(home / "tiny", without=("y_test", "X_test"))
    variable.mkdir()
    monkeypatch.setenv("CONVNET_FEATURES_DATA", str(variable))
    with pytest.raises(DatasetNotFoundError) as caught:
        find(tiny, home)
    four = [f"{file.name}" for file in tiny.dataset.files.values()]
    assert str(caught.value) == (
        "Tiny was not found.\n"
        "Looked in\n"
        f"  data_home: {home}/tiny: without {four[2]}, {four[3]}\n"
        f"  data_home: {home}: without {', '.join(four)}\n"
        f"  data_home: {home}: without tiny.pkl.gz\n"
        f"  CONVNET_FEATURES_DATA: {variable}/tiny: no such folder\n"
        f"  CONVNET_FEATURES_DATA: {variable}: without {', '.join(four)}\n"
        f"  cache: {cache}/tiny: no such folder\n"
        "Download: not tried, because download_if_missing=False\n"
        f"Expected files, gzipped or not: {'.gz, '.join(four)}.gz, or tiny.pkl.gz in the folder "
        "given as data_home.\n"
        "Put them into a folder named tiny, and pass the folder that holds it as data_home, or "
        "name it in the environment variable CONVNET_FEATURES_DATA. They are published at "
        "http://127.0.0.1:9/nobody-listens-here."
    )


def test_default_arguments_are_told_as_such(tiny):
    with pytest.raises(FileNotFoundError, match="data_home: not given\n  CONVNET_FEATURES_DATA: n"):
        find(tiny)


def test_mirrors_that_do_not_answer(tiny):
    with pytest.raises(DatasetNotFoundError, match=r"Download: http://127\.0\.0\.1:9/nobody-li"):
        load(tiny.dataset, timeout=1)


def test_cache_that_cannot_be_created(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "file"))
    with pytest.raises(DatasetNotFoundError, match="tiny: cannot be created: Not a directory"):
        load(tiny.dataset)


def test_files_of_another_data_set(tiny, tmp_path):
    other = replace(tiny.dataset, title="Other", files=dict(tiny.dataset.files))
    other.files["X_train"] = replace(other.files["X_train"], sha256="0" * 64)
    match = (
        "train-images-idx3-ubyte.gz: not train-images-idx3-ubyte of Other: the SHA-256 of its "
        "uncompressed contents is .* MNIST and Fashion-MNIST have the same file names: keep them"
    )
    with pytest.raises(FileFormatError, match=match):
        load(other, tiny.write(tmp_path / "files"))


def test_files_of_another_shape(tiny, tmp_path):
    match = (
        r"not train-images-idx3-ubyte of MNIST: it holds uint8 of shape \(10, 5, 11\); "
        r"expected uint8 of shape \(60000, 28, 28\)\. .* Read other data .* with read_idx"
    )
    with pytest.raises(FileFormatError, match=match):
        load_mnist(tiny.write(tmp_path / "mnist"))


def test_truncated_file(tiny, tmp_path):
    path = tiny.write(tmp_path / "tiny", suffix="") / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=f"{path}: truncated: .* found 109"):
        find(tiny, tmp_path)


@pytest.mark.parametrize("dtype", ["int64", "float16", "no dtype", ">f4x", object])
def test_dtype(dtype):
    with pytest.raises(ValueError, match="images are to be had as float32, float64, uint8"):
        load_mnist(dtype=dtype)


# Numbers


@pytest.mark.parametrize("source", ["idx", "pickle"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", np.float32])
def test_dtypes(tiny, tmp_path, source, dtype):
    if source == "idx":
        home = tiny.write(tmp_path / "idx")
    else:
        home = write_pickle(tmp_path / "pickle", tiny)
    scale = 256 if dtype == "uint8" else 1
    found = find(tiny, home, dtype=dtype)
    for array, expected in zip(found[::2], tiny.expected()[::2], strict=True):
        np.testing.assert_array_equal(array, expected * scale)
        assert array.dtype == dtype
    assert all(labels.dtype == np.uint8 for labels in found[1::2])


@pytest.mark.parametrize(("dtype", "bytes_per_pixel"), [("float32", 1 + 4), ("uint8", 1)])
def test_memory(tmp_path, dtype, bytes_per_pixel):
    """Bytes and float32 pixels at most: no float64 comes in between."""
    images = np.random.default_rng(0).integers(0, 256, (2000, 28, 28), np.uint8)
    arrays = {"X_train": images, "y_train": images[:, 0, 0]}
    arrays |= {"X_test": images[:2], "y_test": images[:2, 0, 0]}
    for key, array in arrays.items():
        write_idx(tmp_path / key, array)
    files = {key: IdxFile(key, a.shape, idx_sha256(a)) for key, a in arrays.items()}
    dataset = IdxDataset("Large", "large", files, (), n_validation=500)
    load(dataset, tmp_path, dtype)  # Imports, once.
    tracemalloc.start()
    try:
        load(dataset, tmp_path, dtype)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * bytes_per_pixel * images.size + 2**20


# The real files


@pytest.mark.data
def test_real_mnist(real_data):
    X_train, y_train, X_val, y_val, X_test, y_test = load_mnist()
    assert list(y_train[:10]) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert list(y_test[:5]) == [7, 2, 1, 0, 4]
    # Counts from the description of the data set.
    counts = np.bincount(np.concatenate([y_train, y_val]))
    assert list(counts) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    # The first pixels of the first digit that are not paper.
    assert list(X_train[0].ravel()[152:157] * 256) == [3, 18, 18, 18, 126]
    assert X_val.shape == X_test.shape == (10_000, 1, 28, 28)


@pytest.mark.data
def test_real_fashion_mnist(real_data):
    _, y_train, _, y_val, _, y_test = load_fashion_mnist(dtype="uint8")
    assert list(y_train[:4]) == [9, 0, 0, 3]
    assert list(np.bincount(np.concatenate([y_train, y_val]))) == [6000] * 10
    assert list(np.bincount(y_test)) == [1000] * 10


@pytest.mark.data
def test_real_files_are_told_apart(real_data):
    with pytest.raises(FileFormatError, match="not train-images-idx3-ubyte of Fashion-MNIST"):
        load_fashion_mnist(Path(real_data, "mnist"))


@pytest.mark.data
def test_real_pixels_through_a_pickle(real_data, tmp_path):
    """As large as the tutorial's file, and with its contents."""
    X_train, y_train, X_val, y_val, X_test, y_test = expected = load_mnist()
    pairs = [(X_train, y_train), (X_val, y_val), (X_test, y_test)]
    parts = [(X.reshape(len(X), 784), y.astype(np.int64)) for X, y in pairs]
    path = tmp_path / str(MNIST.pickle_name)
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump(tuple(parts), file, protocol=2)
    for found, array in zip(load_mnist(path), expected, strict=True):
        np.testing.assert_array_equal(found, array, strict=True)
