"""Entries of a cache in a folder of the user's own: kept, lost, forged, and never in the way."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import stat
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.files import private_cache
from convnet_features.files.private_cache import PrivateCache

if os.name != "posix":
    pytest.skip("POSIX permissions", allow_module_level=True)

NAME, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / "above" / "entries"


@pytest.fixture
def cache(path):
    return PrivateCache(path, 1 << 20, "CACHE_VARIABLE")


def name_of(number):
    return f"{number:064x}"


class TestEntries:
    def test_there_is_none_before_one_is_kept(self, cache, path):
        assert cache.find(NAME) is None
        assert not path.parent.exists()

    @pytest.mark.parametrize("contents", [b"", b"some", bytes(100_000)])
    def test_what_was_kept_is_found_again(self, cache, path, contents):
        cache.keep(NAME, contents)
        assert cache.find(NAME) == contents
        assert PrivateCache(path, 1 << 20, "").find(NAME) == contents
        assert cache.find(OTHER) is None

    def test_reading_takes_as_much_memory_as_there_is_to_read(self, path):
        cache = PrivateCache(path, 64 << 20, "CACHE_VARIABLE")
        cache.keep(NAME, b"some")
        tracemalloc.start()
        try:
            assert cache.find(NAME) == b"some"
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_the_last_one_kept_stands(self, cache, path):
        for contents in (b"first", b"second"):
            cache.keep(NAME, contents)
        assert cache.find(NAME) == b"second"
        assert os.listdir(path) == [NAME]

    @pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
    def test_folder_and_files_are_the_user_s_alone(self, cache, path, mask):
        before = os.umask(mask)
        try:
            cache.keep(NAME, b"some")
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((path / NAME).stat().st_mode) == 0o600
        assert cache.find(NAME) == b"some"


def torn(file):
    file.write_bytes(file.read_bytes()[:-1])


def changed(file):
    contents = bytearray(file.read_bytes())
    contents[-2] ^= 1
    file.write_bytes(contents)


def of_another(file):
    file.write_bytes(hashlib.sha256(b"some" + OTHER.encode()).digest() + b"some")


def empty(file):
    file.write_bytes(b"")


def too_large(file):
    with open(file, "wb") as large:
        large.truncate((1 << 20) + 1)


def link(file):
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def pipe(file):
    file.unlink()
    os.mkfifo(file)


def writable(file):
    file.chmod(0o620)


DAMAGES = [torn, changed, of_another, empty, too_large, link, pipe, writable]


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
    def test_what_is_damaged_is_not_found_and_replaced(self, cache, path, damage):
        cache.keep(NAME, b"some contents")
        damage(path / NAME)
        assert cache.find(NAME) is None
        cache.keep(NAME, b"some contents")
        assert cache.find(NAME) == b"some contents"

    def test_an_entry_under_the_name_of_another_is_not_found(self, cache, path):
        cache.keep(NAME, b"some")
        (path / NAME).rename(path / OTHER)
        assert cache.find(OTHER) is None

    def test_a_folder_in_the_place_of_an_entry_stays(self, cache, path):
        cache.keep(OTHER, b"some")
        (path / NAME).mkdir()
        cache.keep(NAME, b"some")
        assert cache.find(NAME) is None
        assert sorted(os.listdir(path)) == [NAME, OTHER]


class TestUnsafeFolders:
    def check_refused(self, cache, path, reason):
        text = (
            f"The cache {str(path)!r} is not used: it {reason}. Remove it (it is made anew, for "
            "this user alone), or name another folder in CACHE_VARIABLE."
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                cache.keep(OTHER, b"some")
                assert cache.find(NAME) is None
        assert [(each.category, str(each.message), each.filename) for each in caught] == [
            (ConvNetFeaturesWarning, text, __file__)
        ]

    @pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
    def test_others_may_write_to_it(self, cache, path, mode):
        cache.keep(NAME, b"some")
        path.chmod(mode)
        self.check_refused(cache, path, "may be written to by others")
        assert os.listdir(path) == [NAME]

    def test_it_belongs_to_another_user(self, cache, path, monkeypatch):
        cache.keep(NAME, b"some")
        monkeypatch.setattr(private_cache.os, "geteuid", lambda: os.getuid() + 1)
        self.check_refused(cache, path, "belongs to another user")
        assert os.listdir(path) == [NAME]

    def test_it_is_a_link(self, cache, path):
        cache.keep(NAME, b"some")
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
        self.check_refused(cache, path, "is a link, or no folder")
        assert os.listdir(path) == [NAME]

    def test_it_is_a_file(self, cache, path):
        path.parent.mkdir()
        path.write_bytes(b"the user's")
        self.check_refused(cache, path, "is a link, or no folder")
        assert path.read_bytes() == b"the user's"

    def test_links_above_it_are_the_user_s_business(self, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "home").symlink_to("disk")
        cache = PrivateCache(tmp_path / "home" / "entries", 1 << 20, "")
        cache.keep(NAME, b"some")
        assert cache.find(NAME) == b"some"

    def test_others_may_read_it(self, cache, path):
        cache.keep(NAME, b"some")
        path.chmod(0o755)
        assert cache.find(NAME) == b"some"


class TestFullDisks:
    @pytest.mark.parametrize("step", ["mkdir", "open", "replace", "scandir", "unlink", "utime"])
    def test_whatever_fails_is_silent(self, cache, path, monkeypatch, step):
        """The disk is full, or cannot be written to."""
        cache.max_bytes = 0 if step == "unlink" else cache.max_bytes
        if step == "utime":
            cache.keep(NAME, b"some")
            os.utime(path / NAME, (0, 0))

        def fail(*args, **keywords):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(private_cache.os, step, fail)
            cache.keep(OTHER, b"some")
            cache.find(NAME)
        if path.exists():
            assert not [name for name in os.listdir(path) if name.startswith(".")]

    def test_dev_null_as_the_folder_above(self):
        """What people set XDG_CACHE_HOME to who want no caches."""
        cache = PrivateCache(private_cache.Path("/dev/null/entries"), 1 << 20, "")
        cache.keep(NAME, b"some")
        assert cache.find(NAME) is None


class TestSize:
    def test_the_oldest_go(self, path):
        cache = PrivateCache(path, 10_000, "")
        for number in range(30):
            cache.keep(name_of(number), bytes(1000 - 32))
            os.utime(path / name_of(number), (number, number))
        kept = sorted(int(name, 16) for name in os.listdir(path))
        assert 7 <= len(kept) <= 10
        assert kept == list(range(30 - len(kept), 30))

    def test_what_is_read_is_young_again(self, path):
        cache = PrivateCache(path, 1500, "")
        for age, name in enumerate((NAME, OTHER)):
            cache.keep(name, bytes(500))
            os.utime(path / name, (age, age))
        assert cache.find(NAME) == bytes(500)
        assert time.time() - (path / NAME).stat().st_mtime < 60
        cache.keep(name_of(1), bytes(500))
        assert sorted(os.listdir(path)) == sorted([NAME, name_of(1)])

    def test_what_killed_writers_left_goes_and_what_others_left_stays(self, path):
        cache = PrivateCache(path, 1000, "")
        cache.keep(NAME, b"some")
        for name in (f".{OTHER}.x1y2", "letter.txt", ".hidden", "a" * 63):
            (path / name).write_bytes(bytes(2000))
            os.utime(path / name, (1, 1))
        PrivateCache(path, 1000, "").keep(NAME, b"some")
        assert sorted(os.listdir(path)) == sorted([NAME, "letter.txt", ".hidden", "a" * 63])


def keep_and_find(path):
    """Whether all that is found is what was kept, beside others who do the same."""
    cache = PrivateCache(path, 20_000, "")
    for turn in range(150):
        number = turn % 7
        cache.keep(name_of(number), bytes([number]) * (1000 + number))
        found = cache.find(name_of((turn + 3) % 7))
        expected = (turn + 3) % 7
        if found is not None and found != bytes([expected]) * (1000 + expected):
            return False
    return True


class TestCompany:
    def test_threads(self, path):
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(keep_and_find, [path] * 8))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
    def test_processes(self, path):
        with multiprocessing.get_context("fork").Pool(4) as processes:
            assert all(processes.map(keep_and_find, [path] * 4))
        assert not [name for name in os.listdir(path) if name.startswith(".")]
