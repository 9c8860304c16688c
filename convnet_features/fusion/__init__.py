"""Rewrites of the forward graph: fewer, larger, and more stable operations."""

from .rewriter import fusion_rewriter, stability_rewriter
from .switch import get_fusion, set_fusion

__all__ = ["fusion_rewriter", "get_fusion", "set_fusion", "stability_rewriter"]
