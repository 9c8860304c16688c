"""What caches keep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from convnet_features.kernels.onednn.program.lru_cache import LRUCache

pytestmark = pytest.mark.onednn


def test_cache_keeps_what_was_used_last():
    cache = LRUCache(2)
    for key in "abac":
        assert cache.get(key, lambda key=key: key.upper()) == key.upper()
    assert cache.get("a", lambda: "made again") == "A"
    assert cache.get("b", lambda: "made again") == "made again"
    assert len(cache) == 2


def test_cache_gives_all_threads_the_same_entry():
    cache = LRUCache(3)
    with ThreadPoolExecutor(8) as executor:
        made = list(executor.map(lambda _: cache.get("key", object), range(64)))
    assert len(set(map(id, made))) == 1
