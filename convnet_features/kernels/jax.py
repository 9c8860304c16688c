"""The provider of the engine that JAX compiles.

Whole programs go to JAX (`convnet_features.compilation.jax`); what is computed
outside of programs, one kernel at a time, is left to the portable kernels.
"""

from __future__ import annotations

from importlib.util import find_spec

from ..exceptions import EngineError
from .portable import PortableProvider

__all__ = ["JaxProvider"]


class JaxProvider(PortableProvider):
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
