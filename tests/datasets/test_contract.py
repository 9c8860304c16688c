"""What every loader promises, whatever it loads."""

from __future__ import annotations

import ast
import doctest
import gzip
import importlib
import pickle
import sys
from importlib.util import resolve_name
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import convnet_features.datasets
from convnet_features.datasets import load_digits_images, load_fashion_mnist, load_mnist
from convnet_features.datasets.mnist import load


def mnist_like(loader, n_train, n_rest, shape):
    return SimpleNamespace(load=loader, sizes=[n_train, *n_rest], shape=shape, below=1, y=np.uint8)


@pytest.fixture
def digits():
    def loader(**kwargs):
        return load_digits_images(**kwargs)

    return SimpleNamespace(load=loader, sizes=[1797], shape=(1, 8, 8), below=17, y=np.int64)


@pytest.fixture
def idx_files(tiny, tmp_path):
    home = tiny.write(tmp_path / "home")
    return mnist_like(lambda: load(tiny.dataset, home), 7, (3, 2), (1, 5, 11))


@pytest.fixture
def tutorial_pickle(tiny, tmp_path):
    path = tmp_path / "home.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(tiny.parts(), 2)))
    return mnist_like(lambda: load(tiny.dataset, path), 7, (3, 2), (1, 5, 11))


@pytest.fixture
def mnist(real_data):
    return mnist_like(load_mnist, 50_000, (10_000, 10_000), (1, 28, 28))


@pytest.fixture
def fashion_mnist(real_data):
    return mnist_like(load_fashion_mnist, 50_000, (10_000, 10_000), (1, 28, 28))


@pytest.fixture(
    params=[
        "digits",
        "idx_files",
        "tutorial_pickle",
        pytest.param("mnist", marks=pytest.mark.data),
        pytest.param("fashion_mnist", marks=pytest.mark.data),
    ]
)
def case(request):
    return request.getfixturevalue(request.param)


def test_images_and_labels(case):
    arrays = case.load()
    assert len(arrays) == 2 * len(case.sizes)
    for X, y, size in zip(arrays[::2], arrays[1::2], case.sizes, strict=True):
        assert X.shape == (size, *case.shape)
        assert X.dtype == np.float32
        assert X.flags.c_contiguous
        assert X.min() >= 0
        assert X.max() < case.below
        assert y.shape == (size,)
        assert y.dtype == case.y
        assert y.max() < 10


def test_every_call_gives_the_same_in_arrays_of_its_own(case):
    first, second = case.load(), case.load()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
        assert not np.shares_memory(a, b)
        a[:] = 0  # Theirs to change.
    np.testing.assert_array_equal(case.load()[0], second[0])


FOLDER = Path(convnet_features.datasets.__file__).parent


def top_level_imports(path):
    """Full names, those of relative imports too."""
    package = ".".join(path.relative_to(FOLDER.parents[1]).parent.parts)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield resolve_name("." * node.level + (node.module or ""), package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


#: What the data sets use of the files.
FILES = ("files.atomic", "files.compression", "files.pickled_arrays")
CHEAP = sorted(FOLDER.glob("*.py")) + [
    FOLDER.parent / f"{name.replace('.', '/')}.py" for name in (*FILES, "files.__init__", "locks")
]


@pytest.mark.parametrize("path", CHEAP, ids=lambda path: path.name)
def test_importing_is_cheap_and_goes_downward(path):
    for name in top_level_imports(path):
        if name.startswith("convnet_features"):
            allowed = ("_version", "exceptions", "datasets", "locks")
            assert name.split(".")[1] in allowed or name.endswith(FILES), name
        else:
            package = name.split(".")[0]
            assert package == "numpy" or package in sys.stdlib_module_names, name


def test_public_names():
    for name in convnet_features.datasets.__all__:
        assert getattr(convnet_features.datasets, name).__doc__


@pytest.mark.parametrize("name", ["digits", "idx", "mnist"])
def test_examples_of_the_documentation_run(name):
    module = importlib.import_module(f"convnet_features.datasets.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
