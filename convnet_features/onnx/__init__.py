"""ONNX: networks written for other runtimes, and networks of other origin read as extractors.

Needs the extra ``onnx`` (``pip install convnet-features[onnx]``); only
`register_converters` needs skl2onnx besides.
"""

from __future__ import annotations

from .converter import register_converters
from .export import to_onnx
from .loading import from_onnx

__all__ = ["from_onnx", "register_converters", "to_onnx"]
