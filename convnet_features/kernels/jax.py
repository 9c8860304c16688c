"""The kernels of the engine that JAX compiles.

Whole programs go to JAX (`convnet_features.compilation.jax`); what is computed
outside of programs, one kernel at a time, is left to the portable kernels.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np

from ..exceptions import EngineError
from .portable import PortableKernels

__all__ = ["JaxKernels"]


class JaxKernels(PortableKernels):
    """Stands for JAX where programs are compiled.

    Raises
    ------
    EngineError
        If JAX is not installed.
    """

    name = "jax"

    def __init__(self) -> None:
        super().__init__()
        if find_spec("jax") is None:
            raise EngineError(
                "engine='jax' needs JAX, which is not installed; pip install convnet-features[jax]"
            )
        with _global_random_state_kept():
            import jax  # noqa: F401


@contextmanager
def _global_random_state_kept() -> Iterator[None]:
    """JAX, while it is imported, draws from NumPy's global source."""
    numbers, numpy_numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(numbers)
        np.random.set_state(numpy_numbers)  # noqa: NPY002
