"""A network's symbolic outputs and losses, compiled, and shared by networks with one signature."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..compilation import link, rewritten_graph
from ..fusion import get_fusion
from ..garbage import no_collections
from ..kernels.contract import Kernels
from ..kernels.registry import get_kernels
from ..locks import new_lock
from ..theano_facade import theano_scope
from .build import Network
from .outputs import symbolic_output
from .signature import network_signature

__all__ = [
    "Program",
    "cached_program",
    "clear_programs",
    "compilations",
    "live_variables",
    "output_program",
    "with_live_values",
    "without_shared_variables",
]

#: Enough for a grid search over architectures; a program is some tens of kilobytes.
MAX_PROGRAMS = 128
_programs: OrderedDict[Hashable, Any] = OrderedDict()
_lock = new_lock()


@dataclass(frozen=True)
class Program:
    """A compiled function, and what it wants behind its data arguments.

    Attributes
    ----------
    function : callable
        ``function(*data, *param_values, *generators)`` gives a tuple of arrays.
    n_generators : int
        How many random generators it takes.
    freeze : callable or None
        ``freeze(param_values)`` gives ``function(*data, *generators)`` for
        parameters that keep these values for good: kernels lay them out once.
        None where nobody needs it.
    """

    function: Callable[..., tuple[Any, ...]]
    n_generators: int = 0
    freeze: Callable[[Sequence[np.ndarray]], Callable[..., tuple[Any, ...]]] | None = None

    def frozen(self, param_values: Sequence[np.ndarray]) -> Callable[..., tuple[Any, ...]]:
        """``freeze(param_values)`` of a program that has it."""
        if self.freeze is None:
            raise TypeError("this program takes its parameters at every call")
        return self.freeze(param_values)


@dataclass
class Compilations:
    """What this process has compiled so far.

    Attributes
    ----------
    programs : int
        How many programs were made; those taken from the cache do not count.
    seconds : float
        How long that took, their symbolic graphs included.
    """

    programs: int = 0
    seconds: float = 0.0
    nested: bool = field(default=False, repr=False)


compilations = Compilations()
if hasattr(os, "register_at_fork"):
    # A forked child has no threads that would go on compiling.
    os.register_at_fork(after_in_child=lambda: setattr(compilations, "nested", False))


def cached_program(key: Hashable | None, make: Callable[[], Any]) -> Any:
    """The program that `make` made for an equal `key`, before or now; None as a key keeps nothing.

    The most recently used stay. While a program is being made, others that
    want to make one wait: two threads never compile the same one.
    """
    if key is None:
        with _lock:
            return _made(make)
    # A program compiled while fusing was turned off serves no one after.
    key = (key, get_fusion())
    with _lock:
        if key not in _programs:
            _programs[key] = _made(make)
            while len(_programs) > MAX_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return _programs[key]


def _made(make: Callable[[], Any]) -> Any:
    """The program that `make` makes, counted; `_lock` is held."""
    if compilations.nested:
        return make()
    began = time.perf_counter()
    compilations.nested = True
    try:
        with no_collections():
            return make()
    finally:
        compilations.nested = False
        compilations.programs += 1
        compilations.seconds += time.perf_counter() - began


def clear_programs() -> None:
    """Forget every compiled program."""
    with _lock:
        _programs.clear()


def output_program(
    network: Network, layer_names: Sequence[str], engine: str, fuse: bool = True
) -> Program:
    """The program from (images, *params) to the deterministic outputs of some layers.

    Nothing above the layers asked for is computed.

    Parameters
    ----------
    network : Network
    layer_names : sequence of str
    engine : str
        Whose kernels.
    fuse : bool, default=True
        Fuse runs of layers.

    Returns
    -------
    Program
    """
    signature = network_signature(network)
    names = tuple(layer_names)
    positions = tuple(list(network.layers).index(name) for name in names)
    key = None if signature is None else ("outputs", signature, positions, engine, fuse)
    return cached_program(key, lambda: _compile_outputs(network, names, engine, fuse))


def _compile_outputs(network: Network, names: tuple[str, ...], engine: str, fuse: bool) -> Program:
    with theano_scope():
        layers = [network.layers[name] for name in names]
        outputs = symbolic_output(network, layers, deterministic=True)
        return compile_with_params(network, network.input_vars, outputs, get_kernels(engine), fuse)


def compile_with_params(
    network: Network, data: Sequence[Any], outputs: Sequence[Any], kernels: Kernels, fuse: bool
) -> Program:
    """Compile `outputs` with the network's parameters and generators as further arguments."""
    params, outputs, generators = without_shared_variables(network, outputs)
    live, outputs = live_variables(outputs)
    inputs = [*data, *params, *generators, *live.values()]
    graph = rewritten_graph(inputs, outputs, fuse=fuse, clone=False)

    def freeze(values: Sequence[np.ndarray]) -> Callable[..., tuple[Any, ...]]:
        with theano_scope():
            function = link(graph, kernels, [*[None] * len(data), *values])
        return with_live_values(function, live)

    return Program(with_live_values(link(graph, kernels), live), len(generators), freeze)


def live_variables(outputs: Sequence[Any]) -> tuple[dict[Any, Any], list[Any]]:
    """Shared variables that a graph still reads, and the graph with inputs in their places.

    Layers, objectives or update rules of a user's own bring them along: the strength
    of a noise, say, that a callback changes in training.

    Parameters
    ----------
    outputs : sequence of variables

    Returns
    -------
    live : dict of shared variable to variable
        What to read at every call, and the input that takes its value.
    outputs : list of variables
    """
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import graph_inputs

    live = {v: v.type() for v in graph_inputs(outputs) if isinstance(v, SharedVariable)}
    if not live:
        return live, list(outputs)
    return live, _copied(outputs, live)


def with_live_values(
    function: Callable[..., tuple[Any, ...]], live: Mapping[Any, Any]
) -> Callable[..., tuple[Any, ...]]:
    """`function` with the present values of shared variables as its last arguments."""
    variables = tuple(live)
    if not variables:
        return function

    def reading(*args: Any) -> tuple[Any, ...]:
        return function(*args, *[variable.get_value(borrow=True) for variable in variables])

    return reading


def without_shared_variables(
    network: Network, outputs: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """A graph whose parameters and random generators are inputs.

    Parameters
    ----------
    network : Network
    outputs : sequence of variables

    Returns
    -------
    params : list of variables
        One for each of ``network.params``, of known shape.
    outputs : list of variables
        The same expressions of these.
    generators : list of variables
        One for each random generator that the outputs draw from.
    """
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import graph_inputs
    from pytensor.tensor import tensor
    from pytensor.tensor.random.type import RandomType

    shared = [v for v in graph_inputs(outputs) if isinstance(v, SharedVariable)]
    generators = [variable for variable in shared if isinstance(variable.type, RandomType)]
    params = [
        tensor(param.name, dtype=param.type.dtype, shape=param.get_value(borrow=True).shape)
        for param in network.params
    ]
    generator_inputs = [variable.type() for variable in generators]
    replacements = dict(zip(network.params, params, strict=True))
    replacements.update(zip(generators, generator_inputs, strict=True))
    by_container = {id(p.container): new for p, new in zip(network.params, params, strict=True)}
    for variable in shared:
        # A clone of a parameter stands for it.
        if variable not in replacements and id(variable.container) in by_container:
            replacements[variable] = by_container[id(variable.container)]
    return params, _copied(outputs, replacements), generator_inputs


def _copied(outputs: Sequence[Any], replacements: Mapping[Any, Any]) -> list[Any]:
    """A copy of a graph, with others in place of some variables that nothing computes.

    PyTensor's `clone_replace` makes two copies, and recurses as deep as the graph is.
    """
    from pytensor.graph.basic import clone_get_equiv

    kept = {output: output for output in outputs if output.owner is None}
    # strict=False lets every node learn the shapes that are now known.
    copies = clone_get_equiv(
        [], outputs, copy_orphans=False, memo={**kept, **replacements}, strict=False
    )
    return [copies[output] for output in outputs]
