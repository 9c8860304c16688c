"""Networks that others have trained, as extractors of features."""

from .extractor import PretrainedExtractor
from .preprocessing import Preprocessing

__all__ = ["Preprocessing", "PretrainedExtractor"]
