"""What runs for a network's layers, and why: one record for each step."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from pytensor.graph.basic import Constant

from ..compilation.linker import compilation_rewriter
from ..fusion.naming import layers_of, name_layers
from ..kernels.registry import ENGINES, get_kernels
from ..kernels.steps import KernelStep, least_seconds
from ..ops.base import KernelOp
from ..ops.stages import Stages
from ..theano_facade import theano_scope
from .build import Network
from .functions import live_variables, without_shared_variables
from .model import Model
from .outputs import symbolic_output
from .tables import RecordTable

__all__ = [
    "ExplainedStep",
    "Explanation",
    "check_layers",
    "explain_model",
    "explain_network",
    "random_images",
]


class ExplainedStep(NamedTuple):
    """A step of a network's computation.

    Attributes
    ----------
    layers : str
        Names of the layers that it computes, with commas between.
    step : str
        ``"parameters"`` for what is made of parameters alone, ``"forward"``, or which gradient:
        ``"gradient"``, ``"gradient by images"``, ``"gradient by filters"``.
    kernel : str
    why : str
        Why this kernel: what the candidates before it need, and what it gains over the next.
    input_shapes : tuple of tuple of int
    output_shape : tuple of int
    layout : str
        How the result lies in memory.
    multiplications : int
        As many as the formula has; Winograd's algorithm needs fewer.
    bytes : int
        Of all arrays that are read and written, copies to other layouts included.
    milliseconds : float or None
        None unless asked for.
    """

    layers: str
    step: str
    kernel: str
    why: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    layout: str
    multiplications: int
    bytes: int
    milliseconds: float | None = None


class Explanation(RecordTable[ExplainedStep]):
    """A list of `ExplainedStep`, in the order in which they run, that shows itself as a table."""

    HEAD = (
        "layers",
        "step",
        "kernel",
        "in",
        "out",
        "layout",
        "million products",
        "MB",
        "ms",
        "why",
    )
    NUMBERS = (6, 7, 8)
    FIELDS = ExplainedStep._fields

    def cells(self, record: ExplainedStep) -> tuple[str, ...]:
        return (
            record.layers,
            record.step,
            record.kernel,
            ", ".join(map(_size, record.input_shapes)),
            _size(record.output_shape),
            record.layout,
            f"{record.multiplications / 1e6:.2f}" if record.multiplications else "",
            f"{record.bytes / 1e6:.2f}",
            "" if record.milliseconds is None else f"{record.milliseconds:.3f}",
            record.why,
        )


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "number"


@functools.singledispatch
def explain_model(
    model: Model,
    n_samples: int,
    layers: str | Sequence[str] | None,
    *,
    engine: str | None = None,
    training: bool = False,
    timed: bool = False,
) -> Explanation:
    """`explain_network` of random pixels from 0 to 1.

    Models that are computed in other ways register their own.

    Parameters
    ----------
    model : Model
    n_samples : int
    layers : str, sequence of str, or None
        Whose outputs are computed; None for the last one's.
    engine : str, optional
        Default: the model's.
    training, timed : bool, default=False
        As for `explain_network`.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        `n_samples` is no whole number above 0, or there is no such layer.
    """
    network, images = model.network, random_images(model, n_samples)
    names = [layers] if isinstance(layers, str) else list(layers or [network.output.name])
    check_layers(network, names)
    model.sync_values()
    return explain_network(
        network, names, images, engine or model.engine, training=training, timed=timed
    )


def check_layers(network: Network, names: Sequence[str]) -> None:
    """Raise a ValueError that names what is there, if a layer is not."""
    for name in names:
        if name not in network.layers:
            raise ValueError(
                f"there is no layer {name!r}; the network has {', '.join(network.layers)}."
            )


def random_images(model: Model, n_samples: int) -> np.ndarray:
    """Images for a model, float32 pixels from 0 to 1.

    Raises
    ------
    ValueError
        `n_samples` is no whole number above 0.
    """
    if isinstance(n_samples, bool) or not hasattr(n_samples, "__index__") or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r} must be a whole number of at least 1.")
    shape = (operator.index(n_samples), *model.input_shape)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def explain_network(
    network: Network,
    names: Sequence[str],
    images: np.ndarray,
    engine: str,
    *,
    training: bool = False,
    timed: bool = False,
) -> Explanation:
    """What runs for the outputs of some layers.

    Parameters
    ----------
    network : Network
    names : sequence of str
        Layers whose outputs are computed.
    images : ndarray of shape (n_samples, n_channels, height, width)
        float32, as the network takes them.
    engine : str
    training : bool, default=False
        Dropout at work, and the gradients with respect to what is learnt. Not listed are
        the loss, the update rule, and gradients that NumPy computes.
    timed : bool, default=False
        Run each step some times.

    Returns
    -------
    Explanation
    """
    fgraph, values = _graph(network, names, images, training)
    trainable = {id(param) for param in network.params_tagged(trainable=True)}
    learnt = [
        x
        for x, param in zip(fgraph.inputs[1:], network.params, strict=False)
        if id(param) in trainable
    ]
    return _Walk(get_kernels(engine), training, timed).through(fgraph, values, learnt)


def _graph(
    network: Network, names: Sequence[str], images: np.ndarray, training: bool
) -> tuple[Any, list[Any]]:
    """The fused graph, whose nodes know their layers, and the values of its inputs."""
    from pytensor.graph.fg import FunctionGraph

    with theano_scope():
        layers = network.layers
        every = dict(
            zip(
                layers,
                symbolic_output(network, list(layers.values()), deterministic=not training),
                strict=True,
            )
        )
        name_layers(every.items())
        params, outputs, generators = without_shared_variables(
            network, [every[name] for name in names]
        )
        live, outputs = live_variables(outputs)
        inputs = [network.input.input_var, *params, *generators, *live.values()]
        fgraph = FunctionGraph(inputs, outputs, clone=True)
        compilation_rewriter(True, inline=True).rewrite(fgraph)
    values = [
        images,
        *(param.get_value(borrow=True) for param in network.params),
        *(np.random.default_rng(0) for _ in generators),
        *(variable.get_value(borrow=True) for variable in live),
    ]
    return fgraph, values


class _Walk:
    """Computes a graph node by node, and notes what each one is computed by."""

    def __init__(self, kernels: Any, training: bool, timed: bool) -> None:
        self.kernels = kernels
        self.training = training
        self.has_kernels = ENGINES[kernels.name].has_kernels
        # Of a program that is compiled whole, no step runs alone.
        self.timed = timed and self.has_kernels
        self.parameters: dict[str, ExplainedStep] = {}
        self.forward: list[ExplainedStep] = []
        self.gradients: list[ExplainedStep] = []

    def through(self, fgraph: Any, values: Sequence[Any], trained: Sequence[Any]) -> Explanation:
        known = dict(zip(fgraph.inputs, values, strict=True))
        #: What a gradient goes through: all that depends on a parameter that is trained.
        learnt = set(trained)
        of_images = set(fgraph.inputs[:1])
        with np.errstate(all="ignore"):
            for node in fgraph.toposort():
                given = [x.data if isinstance(x, Constant) else known[x] for x in node.inputs]
                needed = tuple(bool(fgraph.clients[y]) for y in node.outputs)
                compute = self._computation(node, needed)
                results = compute(*given)
                known.update(zip(node.outputs, results, strict=True))
                for known_of in (learnt, of_images):
                    if any(x in known_of for x in node.inputs):
                        known_of.update(node.outputs)
                if isinstance(node.op, Stages):
                    self._note_stages(node, given, learnt)
                elif _is_work(node, given, results[0]):
                    timed = partial(compute, *given)
                    seconds = least_seconds(timed) if self.timed else None
                    step = self._other(node, given, results[0], seconds)
                    if node.outputs[0] in of_images:
                        self.forward.append(step)
                    else:
                        self._note_parameters(step)
        return Explanation([*self.parameters.values(), *self.forward, *self.gradients])

    def _computation(self, node: Any, needed: tuple[bool, ...]) -> Callable[..., Sequence[Any]]:
        if isinstance(node.op, KernelOp):
            return node.op.kernel(node, self.kernels, needed)

        def perform(*given: Any) -> list[Any]:
            storage: list[list[Any]] = [[None] for _ in node.outputs]
            node.op.perform(node, list(given), storage)
            return [cell[0] for cell in storage]

        return perform

    def _note_parameters(self, step: ExplainedStep) -> None:
        """What is made of a layer's parameters alone is one step."""
        before = self.parameters.get(step.layers)
        if before is not None:
            taken = (before.milliseconds, step.milliseconds)
            step = step._replace(
                input_shapes=before.input_shapes,
                bytes=before.bytes + step.bytes,
                milliseconds=None if None in taken else sum(taken),  # type: ignore[arg-type]
            )
        once = self.kernels.lays_out_parameters and not self.training
        self.parameters[step.layers] = step._replace(
            step="parameters",
            kernel="NumPy" if self.has_kernels else step.kernel,
            why="made of the layer's parameters alone, "
            + ("once while they stay as they are" if once else "at each call"),
        )

    def _note_stages(self, node: Any, given: Sequence[Any], learnt: set[Any]) -> None:
        graph = node.op.graph
        xs = given[: graph.n_inputs]
        steps = self.kernels.graph(graph).explain(
            xs,
            given[graph.n_inputs :],
            training=self.training,
            input_grads=tuple([x in learnt for x in node.inputs[: graph.n_inputs]]),
            timed=self.timed,
        )
        found = [self._step(step, _names(graph, step)) for step in steps]
        self.forward += [step for step in found if step.step == "forward"]
        self.gradients[:0] = [step for step in found if step.step != "forward"]

    def _step(self, step: KernelStep, layers: str) -> ExplainedStep:
        explained = ExplainedStep(
            layers,
            step.step,
            step.kernel,
            step.why,
            step.input_shapes,
            step.output_shape,
            step.layout,
            step.multiplications,
            step.bytes,
            None if step.seconds is None else 1000 * step.seconds,
        )
        return explained if self.has_kernels else self._compiled(explained)

    def _compiled(self, step: ExplainedStep) -> ExplainedStep:
        """A step of an engine without kernels."""
        name = self.kernels.name
        return step._replace(kernel=f"{name}, whole program", why=WHOLE_PROGRAM, layout="its own")

    def _other(
        self, node: Any, given: Sequence[Any], result: np.ndarray, seconds: float | None
    ) -> ExplainedStep:
        arrays = [x for x in given if isinstance(x, np.ndarray) and x.ndim]
        is_kernel = isinstance(node.op, KernelOp)
        step = ExplainedStep(
            ", ".join(layers_of(node)) or "(between layers)",
            "forward",
            f"{self.kernels.name}: {node.op}" if is_kernel else f"NumPy: {node.op}",
            "an operation of its own: no stage, so there is nothing to choose",
            tuple([x.shape for x in arrays]),
            result.shape,
            "plain" if result.flags.c_contiguous else "a view",
            0,
            sum(each.nbytes for each in (*arrays, result)),
            None if seconds is None else 1000 * seconds,
        )
        return step if self.has_kernels else self._compiled(step)


#: Why, of an engine without kernels of its own, such as JAX.
WHOLE_PROGRAM = "the engine compiles the whole program: what runs is its compiler's choice"


def _is_work(node: Any, given: Sequence[Any], result: Any) -> bool:
    """Whether a node makes numbers of numbers: no shape, no view, nothing drawn."""
    return (
        all(isinstance(each, np.ndarray) and each.dtype.kind == "f" for each in (given[0], result))
        and result.ndim > 0
        and not node.op.view_map
    )


def _names(graph: Any, step: KernelStep) -> str:
    names = [name for number in step.nodes for name in graph.nodes[number].layers]
    stages = [type(graph.nodes[number].stage).__name__ for number in step.nodes]
    return ", ".join(dict.fromkeys(names)) or f"({', '.join(stages)})"
