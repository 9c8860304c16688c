"""A bounded cache that threads may share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ....locks import new_lock

__all__ = ["LRUCache"]

T = TypeVar("T")


class LRUCache(Generic[T]):
    """Keeps the `size` entries that were used last.

    Two threads that miss the same entry at the same time both make it; the
    first one in is kept, and both get that one.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = new_lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The entry at `key`, made if need be."""
        with self._lock:
            try:
                self._entries.move_to_end(key)
                return self._entries[key]
            except KeyError:
                pass
        # Making takes milliseconds: other threads need not wait for it.
        made = make()
        with self._lock:
            entry = self._entries.setdefault(key, made)
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)
        return entry

    def values(self) -> list[T]:
        """What is kept, that used last at the end."""
        with self._lock:
            return list(self._entries.values())

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
