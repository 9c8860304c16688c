"""``theano.config`` of the facade: Theano's flags, kept apart from PyTensor's."""

from __future__ import annotations

import difflib
import os
from typing import Any

__all__ = ["FacadeConfig", "config"]

_FLOATS = ("float32", "float64")

#: Flags that scripts of 2015 set and that mean nothing here: name to default.
#: They can be set and read, without any other effect.
_WITHOUT_EFFECT: dict[str, Any] = {
    "allow_gc": True,
    "assert_no_cpu_op": "ignore",
    "base_compiledir": "",
    "check_input": True,
    "compiledir": "",
    "compiledir_format": "",
    "compute_test_value": "off",
    "compute_test_value_opt": "off",
    "contexts": "",
    "cxx": "",
    "cycle_detection": "regular",
    "deterministic": "default",
    "enable_initial_driver_test": True,
    "exception_verbosity": "low",
    "force_device": False,
    "init_gpu_device": "",
    "linker": "py",
    "max_elements": 6,
    "mode": "FAST_RUN",
    "nocleanup": False,
    "on_opt_error": "warn",
    "on_shape_error": "warn",
    "openmp": False,
    "openmp_elemwise_minsize": 200000,
    "optimizer": "fast_run",
    "optimizer_excluding": "",
    "optimizer_including": "",
    "optimizer_requiring": "",
    "optimizer_verbose": False,
    "pickle_test_value": True,
    "print_active_device": False,
    "print_test_value": False,
    "profile": False,
    "profile_memory": False,
    "profile_optimizer": False,
    "reoptimize_unpickled_function": False,
    "warn_float64": "ignore",
}

#: Flags with a dot in their name, by the part before it. They mean nothing here either.
_SECTIONS: dict[str, dict[str, Any]] = {
    "DebugMode": {"check_c": True, "check_finite": True, "check_py": True, "patience": 10},
    "NanGuardMode": {
        "action": "raise",
        "big_is_error": True,
        "inf_is_error": True,
        "nan_is_error": True,
    },
    "blas": {"check_openmp": False, "ldflags": ""},
    "cmodule": {"warn_no_version": False},
    "conv": {"assert_shape": False},
    "ctc": {"root": ""},
    "cuda": {"enabled": False, "root": ""},
    "dnn": {
        "base_path": "",
        "bin_path": "",
        "conv": {
            "algo_bwd_data": "none",
            "algo_bwd_filter": "none",
            "algo_fwd": "small",
            "precision": "as_input_f32",
            "workmem": "",
            "workmem_bwd": "",
        },
        "enabled": "False",
        "include_path": "",
        "library_path": "",
    },
    "experimental": {"unpickle_gpu_on_cpu": False},
    "gcc": {"cxxflags": ""},
    "gpuarray": {"cache_path": "", "preallocate": 0.0, "sched": "default", "sync": False},
    "lib": {"amdlibm": False, "cnmem": 0.0},
    "magma": {"enabled": False},
    "metaopt": {"verbose": 0},
    "numpy": {
        "seterr_all": "ignore",
        "seterr_divide": "None",
        "seterr_invalid": "None",
        "seterr_over": "None",
        "seterr_under": "None",
    },
    "nvcc": {"compiler_bindir": "", "cudafe": "heuristic", "fastmath": False, "flags": ""},
    "optdb": {"max_use_ratio": 8.0, "position_cutoff": float("inf")},
    "profiling": {"n_apply": 20, "n_ops": 20, "time_thunks": True},
    "pycuda": {"init": False},
    "scan": {"allow_gc": False, "allow_output_prealloc": True},
    "tensor": {"cmp_sloppy": 0, "insert_inplace_optimizer_validate_nb": -1},
    "traceback": {"compile_limit": 0, "limit": 8},
    "unittests": {"rseed": "666"},
    "warn": {
        "argmax_pushdown_bug": False,
        "gpu_set_subtensor1": False,
        "gpusum_01_011_0111_bug": False,
        "ignore_bug_before": "0.8.1",
        "inc_set_subtensor1": False,
        "inc_subtensor1_opt": False,
        "reduce_join": False,
        "round": False,
        "signal_conv2d_interface": False,
        "subtensor_merge_bug": False,
        "sum_div_dimshuffle_bug": False,
        "sum_sum_bug": False,
        "vm_gc_bug": False,
    },
}

#: Flags whose one supported value is the default.
_FIXED: dict[str, Any] = {
    "cast_policy": "custom",
    "device": "cpu",
    "int_division": "int",
}


class _Section:
    """The flags of one section, such as ``theano.config.dnn``: read and set without effect."""

    def __init__(self, name: str, flags: dict[str, Any]) -> None:
        self.__dict__["_name"] = name
        self.__dict__["_flags"] = {
            flag: _Section(f"{name}.{flag}", value) if isinstance(value, dict) else value
            for flag, value in flags.items()
        }

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_flags"][name]
        except KeyError:
            raise AttributeError(_unknown(f"{self._name}.{name}", self._names())) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._flags or isinstance(self._flags[name], _Section):
            raise AttributeError(_unknown(f"{self._name}.{name}", self._names()))
        self._flags[name] = value

    def __dir__(self) -> list[str]:
        return sorted(self._flags)

    def __repr__(self) -> str:
        return f"<theano.config.{self._name}: {', '.join(self._flags)}>"

    def _names(self) -> list[str]:
        return [f"{self._name}.{flag}" for flag in self._flags]


class FacadeConfig:
    """Theano's configuration flags, by attribute.

    ``floatX`` is 'float32', unless the environment variable ``THEANO_FLAGS``
    says ``floatX=float64``, or a script assigns it. It rules the facade only:
    ``pytensor.config.floatX`` keeps its own value.
    """

    def __init__(self) -> None:
        flags = dict(_WITHOUT_EFFECT | _FIXED)
        flags |= {name: _Section(name, section) for name, section in _SECTIONS.items()}
        flags["floatX"] = _environment_float()
        flags["on_unused_input"] = "raise"
        self.__dict__["_flags"] = flags

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_flags"][name]
        except KeyError:
            raise AttributeError(_unknown(name, list(self._flags))) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SECTIONS:
            raise AttributeError(
                f"theano.config.{name} is a group of flags; set one of them, such as "
                f"theano.config.{name}.{next(iter(_SECTIONS[name]))}."
            )
        if name not in self._flags:
            raise AttributeError(_unknown(name, list(self._flags)))
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


def _unknown(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"; the nearest flag is {nearest[0]!r}" if nearest else ""
    return f"theano.config has no flag {name!r} in convnet_features{hint}."


def _environment_float() -> str:
    """floatX of ``THEANO_FLAGS``, where it is one that the facade has."""
    pairs = [flag.partition("=") for flag in os.environ.get("THEANO_FLAGS", "").split(",")]
    values = {name.strip(): value.strip() for name, _, value in pairs}
    return values["floatX"] if values.get("floatX") in _FLOATS else "float32"


config = FacadeConfig()
