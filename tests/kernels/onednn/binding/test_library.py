"""Finding oneDNN, and refusing what is not the one that is known."""

from __future__ import annotations

import pytest

from convnet_features.exceptions import EngineError
from convnet_features.kernels.onednn.binding import declarations, library

pytestmark = pytest.mark.onednn


class TestLibrary:
    @pytest.fixture
    def path(self, primitives):
        return primitives.library.path

    def test_unknown_version_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(library, "KNOWN_MINORS", range(90, 93))
        with pytest.raises(EngineError, match=r"version 3\.\d+\.\d+; known are 3\.90 to 3\.92"):
            library.Library(path)
        monkeypatch.undo()
        monkeypatch.setattr(library, "KNOWN_MAJOR", 4)
        with pytest.raises(EngineError, match="engine='portable'"):
            library.Library(path)

    def test_other_numbers_are_refused(self, path, monkeypatch):
        wrong = (("dnnl_alg_kind2str", 0x20, "eltwise_tanh"),)
        monkeypatch.setattr(declarations, "NAMED_NUMBERS", wrong)
        with pytest.raises(EngineError, match="0x20 'eltwise_relu' instead of 'eltwise_tanh'"):
            library.Library(path)

    def test_other_threading_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(declarations, "RUNTIME_OMP", 4)
        with pytest.raises(EngineError, match="not built for OpenMP"):
            library.Library(path)

    @pytest.mark.parametrize("name", ["/nowhere/libdnnl.so.3", "libm.so.6"])
    def test_unusable_file_is_named(self, primitives, name):
        with pytest.raises(EngineError, match=f"could not be loaded from '{name}'"):
            library.Library(name)

    def test_environment_chooses_the_file(self, primitives, monkeypatch):
        monkeypatch.setenv(library.LIBRARY_VARIABLE, "/nowhere/libdnnl.so.3")
        assert list(library._places()) == ["/nowhere/libdnnl.so.3"]

    def test_want_of_memory_is_a_memory_error(self, primitives):
        with pytest.raises(MemoryError, match=r"^oneDNN has no memory for creating it$"):
            primitives.library.check(declarations.OUT_OF_MEMORY, "creating it")

    def test_failures_name_what_failed(self, primitives):
        with pytest.raises(EngineError, match="while trying: invalid_arguments"):
            primitives.library.check(2, "trying")
