"""``theano.config`` of the facade: Theano's flags, kept apart from PyTensor's."""

from __future__ import annotations

import difflib
import os
from typing import Any

__all__ = ["FacadeConfig", "config"]

_FLOATS = ("float32", "float64")

#: Flags that scripts of 2015 set and that mean nothing here: name to default.
#: Setting one is accepted, and changes nothing but what reading it returns.
_WITHOUT_EFFECT: dict[str, Any] = {
    "allow_gc": True,
    "assert_no_cpu_op": "ignore",
    "compiledir": "",
    "cxx": "",
    "exception_verbosity": "low",
    "force_device": False,
    "init_gpu_device": "",
    "linker": "py",
    "mode": "FAST_RUN",
    "on_unused_input": "raise",
    "openmp": False,
    "optimizer": "fast_run",
    "print_active_device": False,
    "profile": False,
    "profile_memory": False,
    "warn_float64": "ignore",
}

#: Flags whose one supported value is the default.
_FIXED: dict[str, Any] = {
    "cast_policy": "custom",
    "compute_test_value": "off",
    "device": "cpu",
    "int_division": "int",
}


class FacadeConfig:
    """Theano's configuration flags, by attribute.

    ``floatX`` is 'float32', unless the environment variable ``THEANO_FLAGS``
    says ``floatX=float64``, or a script assigns it. It rules the facade only:
    ``pytensor.config.floatX`` keeps its own value.
    """

    def __init__(self) -> None:
        flags = dict(_WITHOUT_EFFECT | _FIXED)
        flags["floatX"] = _environment_float()
        self.__dict__["_flags"] = flags

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_flags"][name]
        except KeyError:
            raise AttributeError(self._unknown(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._flags:
            raise AttributeError(self._unknown(name))
        if name == "floatX" and value not in _FLOATS:
            raise ValueError(f"theano.config.floatX must be one of {_FLOATS}; got {value!r}.")
        if name in _FIXED and value != _FIXED[name]:
            raise NotImplementedError(
                f"theano.config.{name} is always {_FIXED[name]!r} here; got {value!r}."
            )
        self._flags[name] = value

    def __dir__(self) -> list[str]:
        return sorted(self._flags)

    def __repr__(self) -> str:
        return f"FacadeConfig(floatX={self.floatX!r}, device={self.device!r})"

    def _unknown(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, list(self._flags), n=1, cutoff=0.4)
        hint = f"; the nearest flag is {nearest[0]!r}" if nearest else ""
        return f"theano.config has no flag {name!r} in convnet_features{hint}."


def _environment_float() -> str:
    """floatX of ``THEANO_FLAGS``, where it is one that the facade has."""
    pairs = [flag.partition("=") for flag in os.environ.get("THEANO_FLAGS", "").split(",")]
    values = {name.strip(): value.strip() for name, _, value in pairs}
    return values["floatX"] if values.get("floatX") in _FLOATS else "float32"


config = FacadeConfig()
