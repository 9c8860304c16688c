"""Rewrites of the forward graph: fewer, larger, and more stable operations."""

from .rewriter import fusion_rewriter, inlining_rewriter, stability_rewriter
from .stable_copy import StableCopy
from .switch import get_fusion, set_fusion

__all__ = [
    "StableCopy",
    "fusion_rewriter",
    "get_fusion",
    "inlining_rewriter",
    "set_fusion",
    "stability_rewriter",
]
