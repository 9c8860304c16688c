"""Where the values of a program lie."""

from __future__ import annotations

from collections.abc import Sequence

from ..binding.objects import MemoryDesc
from .buffers import ALIGNMENT

__all__ = ["EXTERNAL", "SAVED", "TEMPORARY", "SavedArea", "Storage", "Value", "place"]

EXTERNAL, SAVED, TEMPORARY = "external", "saved", "temporary"


class Storage:
    """A piece of memory: a caller's array, or a part of the saved area or the scratch buffer.

    Callers' arrays have names.
    """

    def __init__(self, kind: str, size: int, offset: int = 0, name: str = "") -> None:
        self.kind = kind
        self.name = name
        self.size = size
        self.offset = offset
        self.first_step = -1
        self.last_step = -1


class Value:
    """A storage, or what begins some bytes behind its beginning, seen with a shape and a layout."""

    def __init__(self, desc: MemoryDesc, storage: Storage, offset: int = 0) -> None:
        self.desc = desc
        self.storage = storage
        self.offset = offset


class SavedArea:
    """What a forward program leaves to backward programs: a buffer's layout."""

    def __init__(self) -> None:
        self.size = 0

    def reserve(self, size: int) -> int:
        """The offset of `size` more bytes."""
        offset = self.size
        self.size += -(-size // ALIGNMENT) * ALIGNMENT
        return offset


def place(storages: Sequence[Storage]) -> int:
    """Give each storage an offset, such that no two in use at a time overlap; returns the total."""
    placed: list[Storage] = []
    total = 0
    for storage in sorted(storages, key=lambda one: -one.size):
        rivals = sorted(
            (
                other
                for other in placed
                if other.first_step <= storage.last_step and storage.first_step <= other.last_step
            ),
            key=lambda other: other.offset,
        )
        offset = 0
        for other in rivals:
            if offset + storage.size <= other.offset:
                break
            end = other.offset + other.size
            offset = max(offset, -(-end // ALIGNMENT) * ALIGNMENT)
        storage.offset = offset
        placed.append(storage)
        total = max(total, offset + storage.size)
    return total
