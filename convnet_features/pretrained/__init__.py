"""Networks that others have trained, as extractors of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deferred import deferred

if TYPE_CHECKING:
    from .extractor import PretrainedExtractor
    from .preprocessing import Preprocessing

__all__ = ["Preprocessing", "PretrainedExtractor"]

__getattr__, __dir__ = deferred(
    __name__,
    {
        "extractor": "PretrainedExtractor",
        "preprocessing": "Preprocessing",
    },
)
