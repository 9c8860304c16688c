"""Which provider computes."""

from __future__ import annotations

import warnings

from convnet_features.exceptions import EngineError, EngineWarning
from convnet_features.kernels.contract import Provider
from convnet_features.locks import import_whole, new_lock

__all__ = ["ENGINES", "available_engines", "get_provider"]

#: What ``engine=`` may be here. "auto" is oneDNN where it can be had, else the portable kernels.
ENGINES = ("auto", "onednn", "portable", "jax")

_providers: dict[str, Provider] = {}
_lock = new_lock()


def get_provider(name: str = "auto") -> Provider:
    """The provider called `name`, made when first asked for.

    Parameters
    ----------
    name : {'auto', 'onednn', 'portable', 'jax'}
        With ``"auto"``, an oneDNN that cannot be used is replaced by the
        portable kernels, and one `EngineWarning` in a process says why.

    Raises
    ------
    EngineError
        An unknown name, or ``"onednn"`` or ``"jax"`` where it cannot be used.
    """
    if not isinstance(name, str):
        raise _unknown(name)
    provider = _providers.get(name)
    if provider is None:
        with _lock:
            provider = _providers.get(name) or _providers.setdefault(name, _make(name))
    return provider


def available_engines() -> tuple[str, ...]:
    """The engines that can be used in this process; loads oneDNN to find out."""
    try:
        get_provider("onednn")
    except EngineError:
        return ("portable",)
    return ("onednn", "portable")


def _unknown(name: object) -> EngineError:
    return EngineError(
        f"engine={name!r} is unknown; the engines are {', '.join(map(repr, ENGINES))}"
    )


def _make(name: str) -> Provider:
    if name == "portable":
        import_whole(__package__ + ".portable")
        from convnet_features.kernels.portable import PortableProvider

        return PortableProvider()
    if name == "onednn":
        import_whole("_cffi_backend", "cffi.cparser", "pycparser.c_parser", __package__ + ".onednn")
        from convnet_features.kernels.onednn import OneDNNProvider

        return OneDNNProvider()
    if name == "jax":
        from convnet_features.kernels.jax import JaxProvider

        return JaxProvider()
    if name == "auto":
        return _best()
    raise _unknown(name)


def _best() -> Provider:
    try:
        return get_provider("onednn")
    except EngineError as error:
        warnings.warn(
            f"The portable kernels are used, which are slower, because: {error}",
            EngineWarning,
            stacklevel=4,
        )
        return get_provider("portable")
