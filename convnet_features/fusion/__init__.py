"""Rewrites of the forward graph: fewer, larger, and more stable operations."""

from .rewriter import fusion_rewriter, stability_rewriter

__all__ = ["fusion_rewriter", "stability_rewriter"]
