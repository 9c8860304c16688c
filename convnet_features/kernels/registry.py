"""The engines: what computes, and who compiles and takes steps for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from ..caller import users_level
from ..exceptions import EngineError, EngineWarning
from ..locks import import_whole, new_lock
from .contract import Kernels

__all__ = [
    "ENGINES",
    "Engine",
    "EngineName",
    "available_engines",
    "available_kernels",
    "get_engine",
    "get_kernels",
]

#: What ``engine=`` may be. "auto" is oneDNN where it can be had, else the portable kernels.
EngineName = Literal["auto", "onednn", "portable", "jax"]


@dataclass(frozen=True)
class Engine:
    """One of the ways to compute.

    The three parts lie in three layers of the package. They are named here as
    ``module:object`` within it, and imported when an engine is first used.

    Parameters
    ----------
    name : str
        What ``engine=`` calls it.
    kernels : str
        The class of its `Kernels`: NumPy arrays in, NumPy arrays out.
    compiler : str
        (rewritten graph, kernels, values of inputs for good) to a function.
    step : str
        (gradients, updater, parameters, their views, longest gradient) to a
        training step.
    rules : str
        The engine that update rules are compiled for.
    has_kernels : bool
        Whether its kernels are its own.
    overwrites : bool
        Whether its programs may write over the arrays that they are given.
    needs : str or None
        The module without which it cannot be had; without one it is tried.
    imports : tuple of str
        Modules to import in full before any thread may ask for a part of them.
    """

    name: str
    kernels: str
    compiler: str = "compilation.straight_line:host_program"
    step: str = "training.step:HostStep"
    rules: str = "portable"
    has_kernels: bool = True
    overwrites: bool = True
    needs: str | None = None
    imports: tuple[str, ...] = ()

    def part(self, which: Literal["kernels", "compiler", "step"]) -> Any:
        """The class or the function of that name in the table."""
        module, _, name = getattr(self, which).partition(":")
        return getattr(import_module(f"{_PACKAGE}.{module}"), name)

    def make_kernels(self) -> Kernels:
        """The engine's kernels, newly made.

        Raises
        ------
        EngineError
            If it cannot be had.
        """
        import_whole(*self.imports)
        kernels: Kernels = self.part("kernels")()
        return kernels

    def is_available(self) -> bool:
        """Whether it can be used in this process."""
        if self.needs is not None:
            return find_spec(self.needs) is not None
        try:
            get_kernels(self.name)
        except EngineError:
            return False
        return True


_PACKAGE = __name__.partition(".")[0]
#: Every engine, the quickest on a CPU first.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "onednn",
            kernels="kernels.onednn:OneDNNKernels",
            imports=(
                "_cffi_backend",
                "cffi.cparser",
                "pycparser.c_parser",
                f"{_PACKAGE}.kernels.onednn",
            ),
        ),
        Engine(
            "portable",
            kernels="kernels.portable:PortableKernels",
            imports=(f"{_PACKAGE}.kernels.portable",),
        ),
        Engine(
            "jax",
            kernels="kernels.jax:JaxKernels",
            compiler="compilation.jax:jax_program",
            step="training.jax_step:jax_step",
            rules="jax",
            has_kernels=False,
            overwrites=False,
            needs="jax",
        ),
    )
}

_kernels: dict[str, Kernels] = {}
_lock = new_lock()


def get_kernels(name: str = "auto") -> Kernels:
    """The kernels of the engine called `name`, made when first asked for.

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
    kernels = _kernels.get(name)
    if kernels is None:
        with _lock:
            kernels = _kernels.get(name) or _kernels.setdefault(name, _make(name))
    return kernels


def get_engine(name: str = "auto") -> Engine:
    """The engine called `name`; of ``"auto"`` the one that it stands for in this process.

    Raises
    ------
    EngineError
        As `get_kernels` does.
    """
    return ENGINES[get_kernels(name).name]


def available_engines() -> tuple[str, ...]:
    """The engines that can be used in this process, of 'onednn', 'portable' and 'jax'.

    Loads oneDNN to find out; of JAX it only looks whether it is installed.

    Returns
    -------
    tuple of str
        What ``engine=`` may be here, beside "auto"; the quickest on a CPU first.
    """
    return tuple(engine.name for engine in ENGINES.values() if engine.is_available())


def available_kernels() -> tuple[str, ...]:
    """Those of `available_engines` that have kernels of their own."""
    return tuple(name for name in available_engines() if ENGINES[name].has_kernels)


def _make(name: str) -> Kernels:
    if name == "auto":
        return _best()
    if name not in ENGINES:
        raise _unknown(name)
    return ENGINES[name].make_kernels()


def _unknown(name: object) -> EngineError:
    names = ", ".join(map(repr, ("auto", *ENGINES)))
    if name == "onnxruntime":
        return EngineError(
            "engine='onnxruntime' computes models that from_onnx reads for it, and neither trains "
            "nor computes networks of layers. Put such an extractor into a Pipeline, and train "
            f"what comes behind it; for networks of layers, the engines are {names}"
        )
    return EngineError(f"engine={name!r} is unknown; the engines are {names}")


def _best() -> Kernels:
    try:
        return get_kernels("onednn")
    except EngineError as error:
        warnings.warn(
            f"The portable kernels are used, which are slower, because: {error}",
            EngineWarning,
            stacklevel=users_level(),
        )
        return get_kernels("portable")
