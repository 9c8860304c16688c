"""A fitted network whose arithmetic is onnxruntime's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...exceptions import EngineError, NetworkError
from ...kernels.steps import ROUNDS
from ...network.explanation import (
    ExplainedStep,
    Explanation,
    check_layers,
    explain_model,
    random_images,
)
from ...network.functions import Program
from ...network.model import SLICE_BYTES, Model
from .images import ImageInput
from .sessions import Sessions
from .values import RuntimeNetwork, Value

__all__ = ["ENGINE", "RuntimeModel", "Untrainable"]

#: What ``engine=`` calls it.
ENGINE = "onnxruntime"


class Untrainable:
    """The `layers` of an estimator whose network cannot be built of layers.

    Parameters
    ----------
    name : str
        The model's.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, input_layer: Any) -> Any:
        raise NetworkError(
            f"the network {self.name!r} is no layers of ours that could be trained: onnxruntime "
            "computes it. Put the extractor of from_onnx into a Pipeline, and train what comes "
            "behind it."
        )

    def __repr__(self) -> str:
        return f"<{self.name!r}, which onnxruntime computes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Untrainable) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(eq=False)
class RuntimeModel(Model):
    """A `Model` that holds an ONNX model, in the place of layers and their parameters.

    Parameters
    ----------
    contents : bytes
        The ONNX model, weights inside.
    images : ImageInput
        How it takes images.
    values_known : list of Value
    output : str
        The value that `predict` gives.
    why : str
        Why it is onnxruntime that computes.
    """

    contents: bytes = b""
    images: ImageInput = field(default_factory=lambda: ImageInput("", np.dtype(np.float32), ()))
    values_known: list[Value] = field(default_factory=list, repr=False)
    output: str = ""
    why: str = ""
    _sessions: Sessions | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_sessions"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._sessions = None

    def _build(self) -> Any:
        return RuntimeNetwork(self.values_known, self.output, self.input_shape)

    def compute_by(self, engine: str) -> None:
        if engine not in ("auto", ENGINE):
            raise EngineError(
                f"engine={engine!r} cannot compute this network, which was read for onnxruntime "
                f"({self.why}); set_params(engine={ENGINE!r})."
            )

    @property
    def slice_size(self) -> int:
        sizes = [
            np.prod([size or 1 for size in value.shape], dtype=float) / value.n_samples
            for value in self.values_known
        ]
        n_bytes = np.clip(len(self.contents), *SLICE_BYTES)
        n_samples = int(np.clip(n_bytes // (4 * max(sizes, default=1)), 1, 4096))
        fixed = self.images.n_samples or 1
        return max(1, n_samples // fixed) * fixed

    def program(self, names: Sequence[str]) -> Program:
        return Program(lambda images, *_: self._computed(names, images))

    def function(self, name: str) -> Callable[[np.ndarray], np.ndarray]:
        return lambda batch: self._computed([name], batch)[0]

    def _function_of_images(self, names: Sequence[str]) -> Callable[..., tuple[Any, ...]]:
        return self.program(names).function

    def _row_shape(self, name: str) -> tuple[int, ...]:
        value = self.network.layers[name]
        if not value.is_by_rows:
            raise self._not_by_rows(name, value.shape)
        return super()._row_shape(name)

    @property
    def sessions(self) -> Sessions:
        """What computes in this process."""
        with self._building:
            if self._sessions is None:
                self._sessions = Sessions(self.contents)
            return self._sessions

    def _computed(self, names: Sequence[str], images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Values of the model as float32, for any number of images."""
        values = [self.network.layers[name] for name in names]
        batch = self.images.arranged(images)
        if not len(batch):
            return tuple(
                np.zeros((0, *self._row_shape(value.name)), np.float32) for value in values
            )
        wanted = list(dict.fromkeys(value.name for value in values))
        parts = [self.sessions.run(wanted, {self.images.name: rows}) for rows in self._rows(batch)]
        whole = {
            name: as_float32(each[0] if len(each) == 1 else np.concatenate(each), name)
            for name, each in zip(wanted, zip(*parts, strict=True), strict=True)
        }
        # Rows that filled up are left out; a value without rows keeps its shape, for who looks.
        filled = self.images.n_samples is not None
        return tuple(
            whole[each.name][: len(batch)] if filled else whole[each.name] for each in values
        )

    def _rows(self, batch: np.ndarray) -> list[np.ndarray]:
        """`batch` in as many rows as the model takes; the last ones fill up."""
        size = self.images.n_samples
        if size is None or size == len(batch):
            return [batch]
        missing = -len(batch) % size
        filled = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        return [filled[start : start + size] for start in range(0, len(filled), size)]

    def explained(self, names: Sequence[str], n_samples: int, timed: bool) -> Explanation:
        """What onnxruntime runs for some values, as it notes itself."""
        wanted = [self.network.layers[name].name for name in names]
        pixels = random_images(self, n_samples)
        whole_numbers = self.images.dtype.kind != "f"
        batch = self._rows(self.images.arranged(np.rint(pixels) if whole_numbers else pixels))[0]
        rounds = ROUNDS if timed else 1
        notes = self.sessions.profile(wanted, {self.images.name: batch}, rounds)
        times: dict[tuple[str, str], list[float]] = {}
        first: dict[tuple[str, str], dict[str, Any]] = {}
        for note in notes:
            key = note["name"].removesuffix("_kernel_time"), note["args"].get("node_index", "")
            times.setdefault(key, []).append(note["dur"] / 1000)
            first.setdefault(key, note["args"])
        return Explanation(
            self._step(key[0], args, min(times[key]) if timed else None)
            for key, args in first.items()
        )

    def _step(self, node: str, args: dict[str, Any], milliseconds: float | None) -> ExplainedStep:
        read, made = _shapes(args, "input_type_shape"), _shapes(args, "output_type_shape")
        sizes = ("activation_size", "parameter_size", "output_size")
        return ExplainedStep(
            layers=node,
            step="forward",
            kernel=f"{ENGINE} {args.get('op_name', '')}",
            why=self.why,
            input_shapes=read,
            output_shape=made[0] if made else (),
            layout="",
            multiplications=0,
            bytes=sum(int(args.get(size) or 0) for size in sizes),
            milliseconds=milliseconds,
        )


def as_float32(value: Any, name: str) -> np.ndarray:
    """A value of the model as float32, which must hold its whole numbers."""
    array = np.asarray(value)
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    if array.dtype.kind in "iu" and not np.array_equal(numbers.astype(np.float64), array):
        raise NetworkError(
            f"{name!r} holds {array.dtype} that float32 does not (above {2**24}); take another "
            "value of the model."
        )
    return numbers


def _shapes(args: dict[str, Any], key: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(shape) for each in args.get(key, ()) for shape in each.values())


@explain_model.register
def _(
    model: RuntimeModel,
    n_samples: int,
    layers: str | Sequence[str] | None,
    *,
    engine: str | None = None,
    training: bool = False,
    timed: bool = False,
) -> Explanation:
    if engine is not None:
        model.compute_by(engine)
    if training:
        model.network.params_tagged()
    names = [layers] if isinstance(layers, str) else list(layers or [model.output])
    check_layers(model.network, names)
    return model.explained(names, n_samples, timed)
