"""oneDNN's primitives, and what programs need beside them."""

from __future__ import annotations

import pytest

from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.onednn.program.program_cache import ProgramCache


@pytest.fixture(scope="session")
def primitives():
    from convnet_features.kernels.onednn.binding.library import load_library

    pytest.importorskip("cffi")
    try:
        import importlib.metadata

        importlib.metadata.version("onednn-cpu-gomp")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("onednn-cpu-gomp is not installed")
    return Primitives(load_library())


@pytest.fixture
def pool():
    return BufferPool()


@pytest.fixture
def programs(primitives, pool):
    return ProgramCache(primitives, pool)
