"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convnet_features.files import atomic
from convnet_features.files.atomic import write_atomically


class TestAtomically:
    def test_replaces(self, tmp_path):
        path = tmp_path / "a"
        write_atomically(path, b"old")
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        assert [each.name for each in tmp_path.iterdir()] == ["a"]

    @pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
    def test_what_fails_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, step):
        path = tmp_path / "a"
        path.write_bytes(b"old")

        def fail(*args):
            raise OSError("disk full")

        monkeypatch.setattr(atomic.os, step, fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert [each.name for each in tmp_path.iterdir()] == ["a"]

    def test_the_final_name_never_has_a_part(self, tmp_path, monkeypatch):
        """Whatever is under the name just before the replacement is the old file, whole."""
        path = tmp_path / "a"
        path.write_bytes(b"old")
        seen = []
        replace = os.replace

        def watch(source, target):
            seen.append((path.read_bytes(), Path(source).read_bytes()))
            replace(source, target)

        monkeypatch.setattr(atomic.os, "replace", watch)
        write_atomically(path, b"new" * 1000)
        assert seen == [(b"old", b"new" * 1000)]

    @pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
    def test_permissions_are_those_of_any_new_file(self, tmp_path):
        (tmp_path / "plain").write_bytes(b"")
        write_atomically(tmp_path / "a", b"")
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a")]
        assert modes[0] == modes[1]

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            write_atomically(tmp_path / "none" / "a", b"")


@pytest.mark.skipif(os.name != "posix", reason="umasks are POSIX's")
def test_threads_leave_the_mask_of_the_process_as_it_is(tmp_path):
    mask = os.umask(0o027)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            masks = set(pool.map(lambda _: atomic._umask(), range(4000)))
        assert masks == {0o027}
        assert os.umask(0o027) == 0o027
    finally:
        sys.setswitchinterval(interval)
        os.umask(mask)
