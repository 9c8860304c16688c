"""Batch size and number of epochs where the user leaves them open."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["automatic_batch_size", "automatic_epochs", "resolve_count"]

#: Parameter updates that a small data set gets, however few batches an epoch has.
MIN_UPDATES = 1500
MIN_EPOCHS, MAX_EPOCHS = 10, 200


def automatic_batch_size(n_samples: int) -> int:
    """32 up to 4,000 training samples, 64 up to 16,000, then 128.

    Examples
    --------
    >>> [automatic_batch_size(n) for n in (100, 1_300, 10_000, 50_000)]
    [32, 32, 64, 128]
    """
    if n_samples <= 4_000:
        return 32
    return 64 if n_samples <= 16_000 else 128


def automatic_epochs(n_samples: int, batch_size: int) -> int:
    """As many epochs as make 1,500 updates, but at least 10 and at most 200.

    Examples
    --------
    >>> [automatic_epochs(n, automatic_batch_size(n)) for n in (100, 1_300, 10_000, 50_000)]
    [200, 37, 10, 10]
    """
    updates = max(1, math.ceil(n_samples / batch_size))
    return min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(MIN_UPDATES / updates)))


def resolve_count(name: str, value: Any, automatic: int) -> int:
    """A count of at least 1, or `automatic` for 'auto'; raises ValueError for anything else."""
    if isinstance(value, str) and value == "auto":
        return automatic
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name} must be 'auto' or a whole number of at least 1; got {value!r}.")
    return int(value)
