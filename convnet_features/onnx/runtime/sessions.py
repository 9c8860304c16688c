"""onnxruntime's sessions: made where they are first needed, in each process anew."""

from __future__ import annotations

import ctypes
import json
import os
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ...exceptions import EngineError, NetworkError
from ...kernels.threads import get_num_threads
from ...locks import ForkGate, import_whole, new_lock, wait_at_fork
from .whole import cut

__all__ = ["Sessions", "open_session"]

#: Of one model, for the features and the predictions, say; each holds a copy of the weights.
MAX_SESSIONS = 2
#: Only what ends a process is worth a line of onnxruntime's own; errors are raised.
_FATAL = 4

_opening = ForkGate()
wait_at_fork(_opening)


class Sessions:
    """What computes values of one model in this process.

    Parameters
    ----------
    contents : bytes
        The model.
    """

    def __init__(self, contents: bytes) -> None:
        self._contents = contents
        self._open: OrderedDict[tuple[tuple[str, ...], int], Any] = OrderedDict()
        self._lock = new_lock()
        _everybody.add(self)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[Any]:
        """Values of the model, on as many threads as kernels of ours would have now."""
        session = self._session((tuple(outputs), get_num_threads()))
        return _run(session, outputs, inputs)

    def profile(
        self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray], rounds: int
    ) -> list[dict[str, Any]]:
        """What onnxruntime notes of each node that it runs, `rounds` times."""
        model = onnx.load_model_from_string(self._contents)
        cut(model, outputs)
        with tempfile.TemporaryDirectory() as folder:
            session = open_session(
                model.SerializeToString(), get_num_threads(), profile=f"{folder}/onnxruntime"
            )
            for _ in range(rounds):
                _run(session, outputs, inputs)
            notes = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return [note for note in notes if note["name"].endswith("_kernel_time")]

    def _session(self, key: tuple[tuple[str, ...], int]) -> Any:
        with self._lock:
            if key not in self._open:
                outputs, n_threads = key
                model = onnx.load_model_from_string(self._contents)
                cut(model, outputs)
                self._open[key] = open_session(model.SerializeToString(), n_threads)
                while len(self._open) > MAX_SESSIONS:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            return self._open[key]

    def _leave_behind(self) -> None:
        """Forget the parent's sessions: their threads did not come along.

        The end of a session waits for its threads, so these must not end.
        """
        for session in self._open.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
        self._open = OrderedDict()


def open_session(
    contents: bytes, n_threads: int, *, optimise: str = "ORT_ENABLE_ALL", profile: str = ""
) -> Any:
    """A session of onnxruntime's.

    Parameters
    ----------
    contents : bytes
        A model that needs no files.
    n_threads : int
    optimise : str, default="ORT_ENABLE_ALL"
        A member of ``onnxruntime.GraphOptimizationLevel``.
    profile : str, optional
        How the path begins of a file of times.

    Raises
    ------
    EngineError
        If onnxruntime is not installed.
    NetworkError
        If it refuses the model.
    """
    try:
        import_whole("onnxruntime")
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            "engine='onnxruntime' needs the package onnxruntime: pip install "
            f"convnet-features[onnx] ({error})"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, optimise)
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    try:
        with _opening:
            return onnxruntime.InferenceSession(
                contents, options, providers=["CPUExecutionProvider"]
            )
    except MemoryError:
        raise
    except Exception as error:  # its own classes, of C++
        raise NetworkError(f"onnxruntime refuses the model: {_short(error)}") from error


def _run(session: Any, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[Any]:
    try:
        found: list[Any] = session.run(list(outputs), dict(inputs))
        return found
    except MemoryError:
        raise
    except Exception as error:
        raise NetworkError(
            f"onnxruntime cannot compute {', '.join(outputs):.200}: {_short(error)}"
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:1000]


_everybody: weakref.WeakSet[Sessions] = weakref.WeakSet()


def _leave_all_behind() -> None:
    for sessions in _everybody:
        sessions._leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_behind)
