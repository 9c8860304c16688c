"""Graphs as functions that JAX compiles, for any device that it knows.

Needs the extra ``jax``. PyTensor translates its own operations
(``pytensor.link.jax``); ours are registered with it here.
"""

from __future__ import annotations

from .program import as_key, jax_program

__all__ = ["as_key", "jax_program"]
