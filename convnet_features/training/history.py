"""What training wrote down: one record an epoch."""

from __future__ import annotations

from typing import Any

__all__ = ["History"]


class History(list[dict[str, Any]]):
    """A list of one dict an epoch.

    The keys are ``epoch`` (from 1), ``train_loss`` (mean over the epoch's
    batches, with dropout, augmentation and penalties as they were trained),
    ``valid_loss`` and ``valid_score`` (accuracy, or R² for numbers; absent
    without validation data), ``learning_rate`` (where the update rule has one),
    and ``duration`` in seconds.

    Examples
    --------
    >>> history = History([{"epoch": 1, "train_loss": 0.8}, {"epoch": 2, "train_loss": 0.3}])
    >>> history.column("train_loss")
    [0.8, 0.3]
    """

    def column(self, key: str) -> list[Any]:
        """One value an epoch: the record's `key`, or None where it has none."""
        return [record.get(key) for record in self]

    def to_frame(self) -> Any:
        """A pandas DataFrame of shape (n_epochs, n_keys), indexed by epoch."""
        import pandas as pd

        return pd.DataFrame(list(self)).set_index("epoch") if self else pd.DataFrame()
