"""A network's symbolic outputs and losses, compiled, and shared by networks with one signature."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compilation import compile_program
from ..kernels.registry import get_provider
from ..theano_facade import theano_scope
from .build import Network
from .signature import network_signature

__all__ = [
    "Program",
    "cached_program",
    "clear_programs",
    "output_program",
    "without_shared_variables",
]

#: Enough for a grid search over architectures; a program is some tens of kilobytes.
MAX_PROGRAMS = 128
_programs: OrderedDict[Hashable, Any] = OrderedDict()
_lock = threading.RLock()


@dataclass(frozen=True)
class Program:
    """A compiled function, and what it wants behind its data arguments.

    Attributes
    ----------
    function : callable
        ``function(*data, *param_values, *generators)`` gives a tuple of arrays.
    n_generators : int
        How many random generators it takes.
    """

    function: Callable[..., tuple[Any, ...]]
    n_generators: int = 0


def cached_program(key: Hashable | None, make: Callable[[], Any]) -> Any:
    """What `make` made for an equal `key` before, or makes now; a key of None is never kept.

    The most recently used stay. While a program is being made, others that
    want to make one wait: two threads never compile the same one.
    """
    if key is None:
        with _lock:
            return make()
    with _lock:
        if key not in _programs:
            _programs[key] = make()
            while len(_programs) > MAX_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return _programs[key]


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


def _compile_outputs(
    network: Network, names: tuple[str, ...], engine: str, fuse: bool
) -> Program:
    from lasagne.layers import get_output

    with theano_scope():
        outputs = get_output([network.layers[name] for name in names], deterministic=True)
        return compile_with_params(
            network, [network.input.input_var], outputs, get_provider(engine), fuse
        )


def compile_with_params(
    network: Network, data: Sequence[Any], outputs: Sequence[Any], provider: Any, fuse: bool
) -> Program:
    """Compile `outputs` with the network's parameters and generators as further arguments."""
    inputs, outputs, generators = without_shared_variables(network, outputs)
    function = compile_program([*data, *inputs, *generators], outputs, provider, fuse=fuse)
    return Program(function, len(generators))


def without_shared_variables(
    network: Network, outputs: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """A graph that depends on no shared variable any more.

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
    from pytensor.graph.replace import clone_replace
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
    # Any other shared variable is a constant that a layer brought along.
    for variable in shared:
        if variable not in replacements:
            replacements[variable] = _constant(variable)
    # rebuild_strict=False lets every node learn the shapes that are now known.
    cloned = clone_replace(list(outputs), replace=replacements, rebuild_strict=False)
    return params, cloned, generator_inputs


def _constant(variable: Any) -> Any:
    from pytensor.tensor import constant

    return constant(np.asarray(variable.get_value()))
