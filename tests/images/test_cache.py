"""What is kept of decoded images, and what a full disk and a forked child make of it."""

from __future__ import annotations

import errno
import multiprocessing
import os

import numpy as np
import pytest

pytest.importorskip("PIL")

from convnet_features.images.cache import Cache

SHAPE = (1, 2, 3)


def images(*values):
    return np.stack([np.full(SHAPE, value, np.uint8) for value in values])


def taken(cache, row):
    """The value of a row's pixels, or None if it is not there."""
    pixels = np.zeros((1, *SHAPE), np.uint8)
    (found,) = cache.take(np.array([row]), pixels)
    return int(pixels[0, 0, 0, 0]) if found else None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_and_its_parent_keep_their_own(on_disk, tmp_path):
    cache = Cache(1000, SHAPE, 9, tmp_path if on_disk else None)
    cache.keep(np.array([0]), images(10))
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()

    def child():
        cache.keep(np.array([1]), images(11))
        theirs.recv()  # until the parent has kept another image in the same place
        theirs.send([taken(cache, 1), taken(cache, 2)])

    process = context.Process(target=child)
    process.start()
    cache.keep(np.array([2]), images(22))
    mine.send(None)
    assert mine.poll(30)
    assert mine.recv() == [11, None]
    process.join(30)
    assert process.exitcode == 0
    assert [taken(cache, row) for row in (0, 1, 2)] == [10, None, 22]


def test_a_disk_that_is_full_is_an_error(tmp_path, monkeypatch):
    """Without it, the process dies when it writes a page that finds no room."""

    def full(file, offset, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    cache = Cache(1000, SHAPE, 9, tmp_path)
    with pytest.raises(OSError, match=r"no room for the 54 bytes .*cache_bytes=1000.*smaller"):
        cache.keep(np.array([0]), images(10))
    assert not list(tmp_path.iterdir())
    monkeypatch.delattr(os, "posix_fallocate")
    cache.keep(np.array([0]), images(10))
    assert taken(cache, 0) == 10


def test_file_systems_that_reserve_nothing(tmp_path, monkeypatch):
    def unable(file, offset, length):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    cache = Cache(1000, SHAPE, 9, tmp_path)
    cache.keep(np.array([4]), images(7))
    assert taken(cache, 4) == 7
