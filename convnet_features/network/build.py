"""From layer specs to real Lasagne layers, with misfits reported before anything is compiled."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..exceptions import NetworkError
from ..locks import lazy_attribute, new_lock
from .arguments import fault
from .first_use import import_for_networks
from .inputs import InputShape, check_input_names, check_integers
from .pixels import to_network
from .references import resolved
from .spec import LayerSpec, automatic_name, check_layer_name

__all__ = ["Network", "Target", "build_network", "initialisation", "is_built"]

#: What the network learns: one of several classes, numbers, or several yes-or-no labels.
Target = Literal["classes", "numbers", "labels"]
_OUTPUT_NONLINEARITY: dict[Target, str] = {
    "classes": "softmax",
    "numbers": "identity",
    "labels": "sigmoid",
}
_seeding = new_lock()


@dataclass(frozen=True)
class Network:
    """A built network.

    Attributes
    ----------
    output : lasagne.layers.Layer
        The output layer; of several, the last.
    layers : dict of str to lasagne.layers.Layer
        Every layer by name, inputs first.
    input_shape : (int, int, int), or dict
        (channels, height, width); of several inputs, the shape of each by name.
    outputs : tuple of lasagne.layers.Layer
        All output layers.
    inputs : dict of str to lasagne.layers.InputLayer
        The input layers by name.
    """

    output: Any
    layers: dict[str, Any]
    input_shape: InputShape
    outputs: tuple[Any, ...] = ()
    inputs: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        from lasagne.layers import InputLayer

        inputs = {name: each for name, each in self.layers.items() if isinstance(each, InputLayer)}
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "outputs", self.outputs or (self.output,))

    @property
    def input(self) -> Any:
        """The input layer; of several, the first."""
        return next(iter(self.inputs.values()))

    @property
    def input_vars(self) -> list[Any]:
        """The variables of the input layers, which programs take first."""
        return [layer.input_var for layer in self.inputs.values()]

    def data(self, X: Any, scale: float = 1.0) -> list[np.ndarray]:
        """X as `input_vars` take it: an array for each, of its dtype.

        Parameters
        ----------
        X : array-like, or mapping of str to array-like
            Of shape (n_samples, ...); several inputs by the names of their layers.
        scale : float, default=1
            Numbers, unlike whole numbers of an integer input, are multiplied by it.

        Returns
        -------
        list of ndarray

        Raises
        ------
        ValueError
            If an input lacks or is too much (a NetworkError), or an integer input
            gets other numbers.
        """
        layers = self.inputs
        arrays = X if isinstance(X, Mapping) else {next(iter(layers)): X}
        check_input_names(arrays, layers)
        return [_converted(name, layers[name], arrays[name], scale, self) for name in layers]

    @lazy_attribute
    def largest_output(self) -> int:
        """How many numbers the layer with the most makes of a sample."""
        shapes = (layer.output_shape[1:] for layer in self.layers.values())
        return max(math.prod(size or 1 for size in shape) for shape in shapes)

    @property
    def params(self) -> list[Any]:
        """Every parameter, as Lasagne orders them: shared variables."""
        return self.params_tagged()

    def params_tagged(self, **tags: bool) -> list[Any]:
        """``lasagne.layers.get_all_params`` of the output; that takes n² time for n of them."""
        from lasagne.layers import get_all_layers

        layers = get_all_layers(list(self.outputs))
        return list(dict.fromkeys(param for each in layers for param in each.get_params(**tags)))

    @property
    def named_params(self) -> dict[str, Any]:
        """Every parameter by ``<layer>.<parameter>``: shared variables."""
        named: dict[str, Any] = {}
        seen: set[int] = set()
        for name, layer in self.layers.items():
            for position, param in enumerate(layer.get_params()):
                if id(param) in seen:  # shared by two layers: the first one's
                    continue
                seen.add(id(param))
                last = (param.name or str(position)).rpartition(".")[2]
                key = f"{name}.{last}"
                named[key if key not in named else f"{key}{position}"] = param
        return named


@contextmanager
def initialisation(seed: int) -> Iterator[None]:
    """Seed what Lasagne draws inside: initial weights, and the seeds of its noise layers.

    Lasagne has one global source; it is put back, and other threads wait.
    """
    import lasagne.random

    with _seeding:
        previous = lasagne.random.get_rng()
        lasagne.random.set_rng(np.random.RandomState(seed))
        try:
            yield
        finally:
            lasagne.random.set_rng(previous)


def build_network(
    layers: Sequence[LayerSpec] | Callable[..., Any] | Any,
    input_shape: InputShape,
    n_outputs: int | None,
    target: Target,
    seed: int | None,
) -> Network:
    """Build the layers, and check that they fit each other, the images and the target.

    Parameters
    ----------
    layers : sequence of LayerSpec, callable, lasagne.layers.Layer, or list of them
        A callable goes from the input layer (of several, a dictionary of them; and
        ``n_outputs``, if it has an argument of that name) to the output layer. A
        layer is the output of a network that is built already; so are several.
    input_shape : tuple of int, or dict of str to tuple of int
        (channels, height, width); of several inputs, the shape of each by the name
        of its layer.
    n_outputs : int or None
        How many numbers the output layer must give a sample; None takes the
        output layer as it is declared.
    target : {'classes', 'numbers', 'labels'}
        Decides the output's nonlinearity where the spec is silent, unless
        `n_outputs` is None.
    seed : int or None
        Of the initial weights; None draws them from Lasagne's global source.

    Returns
    -------
    Network

    Raises
    ------
    NetworkError
        If a layer does not fit what it stands on, with the layer, the sizes
        and the remedy.
    """
    import_for_networks()
    if isinstance(layers, type):
        raise NetworkError(
            f"layers: {layers.__name__} is a class; give a list of layers, such as "
            f"[('output', {layers.__name__})], or a function from the input layer to the output "
            "layer."
        )
    with nullcontext() if seed is None else initialisation(seed):
        if is_built(layers):
            network = _from_layers(layers, input_shape)
        elif callable(layers):
            network = _from_callable(layers, input_shape, n_outputs)
        else:
            network = _from_specs(layers, input_shape, n_outputs, target)
    _check_input(network, input_shape)
    _check_input_vars(network)
    _take_integers(network)
    if n_outputs is not None:
        _check_output(network, n_outputs, target)
        _check_rows(network)
    return network


def is_built(layers: Any) -> bool:
    """Whether `layers` is an output layer, or a list of them."""
    some = layers if isinstance(layers, list | tuple) and layers else [layers]
    return all(hasattr(each, "output_shape") and not isinstance(each, type) for each in some)


def _input_layer(shape: tuple[int, ...], name: str = "input", variable: Any = None) -> Any:
    from lasagne.layers import InputLayer

    if variable is None:
        variable = _input_variable(name, shape, "float32")
    elif getattr(variable, "ndim", None) != 1 + len(shape):
        raise NetworkError(
            f"layer {name!r} (InputLayer): its input_var is {variable!r}, and its input has "
            f"{1 + len(shape)} axes, the samples' included; give a symbolic tensor of as many."
        )
    return InputLayer((None, *shape), input_var=variable, name=name)


def _input_variable(name: str, shape: tuple[int, ...], dtype: str) -> Any:
    from pytensor.tensor import tensor

    # Lasagne would make a variable that knows ranks only; known sizes let borders be fused.
    return tensor(f"{name}.input", dtype=dtype, shape=(None, *shape))


def _check_input_vars(network: Network) -> None:
    """Raise where X cannot be given for the variable of an input layer."""
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.basic import AtomicVariable

    taken: dict[Any, str] = {}
    for name, layer in network.inputs.items():
        variable = layer.input_var
        other = taken.setdefault(variable, name)
        if other != name:
            raise NetworkError(
                f"layers {other!r} and {name!r} (InputLayer) have one input_var, {variable!r}, "
                "which cannot be given two arrays; give each its own, or let both be one layer."
            )
        if variable.owner is not None or isinstance(variable, SharedVariable | AtomicVariable):
            remedy = (
                "give the variable that it is computed from, and compute the rest in a layer "
                "(ExpressionLayer)"
                if variable.owner is not None
                else "give a variable without a value, such as theano.tensor.matrix()"
            )
            raise NetworkError(
                f"layer {name!r} (InputLayer): its input_var is {variable!r}, which X cannot take "
                f"the place of; {remedy}."
            )
        known = getattr(variable.type, "shape", ())
        if any(size not in (None, own) for size, own in zip(known, layer.shape, strict=False)):
            raise NetworkError(
                f"layer {name!r} (InputLayer): its input_var is {variable!r} of shape {known}, and "
                f"its input has the shape {tuple(layer.shape)}; give a variable of any sizes, such "
                "as theano.tensor.matrix()."
            )
        if variable.dtype == "float64":
            raise NetworkError(
                f"layer {name!r} (InputLayer): its input_var is of float64, and networks compute "
                "in float32; give a variable of theano.config.floatX, as theano.tensor.matrix() is."
            )


def _take_integers(network: Network) -> None:
    """Let inputs that an embedding reads be integers, where they were made without saying so."""
    for name, layer in network.inputs.items():
        if _embeddings(layer, network) and layer.input_var.dtype.startswith("float"):
            layer.input_var = _input_variable(name, tuple(layer.shape[1:]), "int32")


def _embeddings(input_layer: Any, network: Network) -> list[Any]:
    """The embeddings that read an input's numbers as positions in their tables."""
    from lasagne.layers import EmbeddingLayer, get_all_layers

    return [
        layer
        for layer in network.layers.values()
        if isinstance(layer, EmbeddingLayer) and input_layer in get_all_layers(layer.input_layer)
    ]


def _converted(name: str, layer: Any, array: Any, scale: float, network: Network) -> np.ndarray:
    """`array` in the dtype of an input layer's variable."""
    dtype = layer.input_var.dtype
    if dtype.startswith("float"):
        return to_network(array, scale)
    tables = [each.input_size for each in _embeddings(layer, network)]
    return check_integers(name, array, dtype, min(tables, default=None))


def _from_layers(output: Any, input_shape: InputShape) -> Network:
    """The layers that `output` stands on, named as nolearn names them: ``conv2d1``."""
    from lasagne.layers import get_all_layers

    outputs = tuple(output) if isinstance(output, list | tuple) else (output,)
    named: dict[str, Any] = {}
    for position, layer in enumerate(get_all_layers(list(outputs))):
        name = layer.name or automatic_name(type(layer), position)
        check_layer_name(name)
        if name in named:
            raise NetworkError(f"layers: two layers have the name {name!r}; give each its own.")
        named[name] = layer
    return Network(outputs[-1], named, input_shape, outputs)


def _from_callable(
    builder: Callable[..., Any], input_shape: InputShape, n_outputs: int | None
) -> Network:
    from lasagne.layers import get_all_layers

    input_layer: Any
    if isinstance(input_shape, Mapping):
        input_layer = {name: _input_layer(shape, name) for name, shape in input_shape.items()}
    else:
        input_layer = _input_layer(input_shape)
    takes_outputs = "n_outputs" in inspect.signature(builder).parameters
    output = builder(input_layer, **({"n_outputs": n_outputs} if takes_outputs else {}))
    if not hasattr(output, "output_shape"):
        raise NetworkError(
            f"layers: {_name(builder)} returned {output!r}; it must return the output layer."
        )
    named: dict[str, Any] = {}
    for position, layer in enumerate(get_all_layers(output)):
        name = layer.name or ("output" if layer is output else None)
        name = name or automatic_name(type(layer), position)
        check_layer_name(name)
        if name in named:
            raise NetworkError(f"layers: two layers of {_name(builder)} have the name {name!r}.")
        layer.name = name
        named[name] = layer
        _check_size(name, layer, {})
    return Network(output, named, input_shape)


def _name(builder: Any) -> str:
    return getattr(builder, "__name__", repr(builder))


def _from_specs(
    specs: Sequence[LayerSpec], input_shape: InputShape, n_outputs: int | None, target: Target
) -> Network:
    from lasagne.layers import InputLayer

    built: dict[str, Any] = {}
    if isinstance(input_shape, Mapping):
        inputs = [spec.name for spec in specs if issubclass(spec.layer_class, InputLayer)]
        check_input_names(input_shape, inputs)
    elif not issubclass(specs[0].layer_class, InputLayer):
        built["input"] = _input_layer(input_shape)
    for position, spec in enumerate(specs):
        if spec.name in built:
            raise NetworkError(
                f"layer {spec.name!r} ({spec.layer_class.__name__}): the input has that name "
                "already; give the layer another."
            )
        if issubclass(spec.layer_class, InputLayer):
            if isinstance(input_shape, Mapping):
                shape = input_shape[spec.name]
            elif position == 0:
                shape = input_shape
            else:
                raise NetworkError(
                    f"layer {spec.name!r} (InputLayer): only the first layer may be an input, as X "
                    "is one array; give several inputs as a dictionary."
                )
            _check_declared(spec.name, spec.params.get("shape"), shape)
            built[spec.name] = _input_layer(shape, spec.name, spec.params.get("input_var"))
            continue
        params = dict(spec.params)
        if spec is specs[-1]:
            params = _output_params(spec, n_outputs, target)
        wrapper = params.pop("layer_wrapper", None)
        layer = built[spec.name] = _build_layer(spec, params, built)
        if wrapper is not None:
            built.update(_wrapped(spec.name, layer, wrapper))
    return Network(next(reversed(built.values())), built, input_shape)


def _wrapped(name: str, layer: Any, wrapper: Callable[[Any], Any]) -> dict[str, Any]:
    """What `wrapper` puts on a layer: its last layer is ``LW_<name>``, as nolearn calls it."""
    from lasagne.layers import get_all_layers

    last = wrapper(layer)
    if not hasattr(last, "output_shape"):
        raise NetworkError(
            f"layer {name!r}: its layer_wrapper returned {last!r}; it must return a layer."
        )
    above = [each for each in get_all_layers(last, treat_as_input=[layer]) if each is not layer]
    named: dict[str, Any] = {}
    for position, each in enumerate(above):
        given = f"LW_{name}" if each is last else each.name or f"LW_{name}_{position}"
        each.name = given
        named[given] = each
    return named


def _check_declared(
    name: str, shape: Sequence[int | None] | None, input_shape: tuple[int, ...]
) -> None:
    """That an input layer of `shape` (None, or None in it: anything) takes the images."""
    declared = tuple(shape)[1:] if shape is not None else input_shape
    fits = len(declared) == len(input_shape) and all(
        size in (None, given) for size, given in zip(declared, input_shape, strict=True)
    )
    if not fits:
        raise NetworkError(
            f"layer {name!r} (InputLayer, shape={shape}): it is declared for images of "
            f"{_size(declared)}, and X has images of {_size(input_shape)}; leave shape out, "
            "or give images of that size."
        )


def _check_input(network: Network, input_shape: InputShape) -> None:
    """That the output stands on one input layer, which takes the images; or on each of several."""
    from lasagne.layers import InputLayer, get_all_layers

    layers = get_all_layers(list(network.outputs))
    inputs = [layer for layer in layers if isinstance(layer, InputLayer)]
    if isinstance(input_shape, Mapping):
        check_input_names(input_shape, network.inputs)
        for name, layer in network.inputs.items():
            if layer not in inputs:
                raise NetworkError(f"layers: the output does not stand on the input {name!r}.")
            _check_declared(name, layer.shape, input_shape[name])
        return
    if len(inputs) != 1 or inputs[0] is not network.input:
        names = ", ".join(repr(layer.name) for layer in inputs)
        raise NetworkError(
            f"layers: the output stands on {len(inputs)} input layers ({names}); it must stand on "
            "the one that the images come in by, and on no other."
        )
    _check_declared(inputs[0].name, inputs[0].shape, input_shape)


def _output_params(spec: LayerSpec, n_outputs: int | None, target: Target) -> dict[str, Any]:
    import lasagne.nonlinearities
    from lasagne.layers import DenseLayer

    params = dict(spec.params)
    if n_outputs is not None and issubclass(spec.layer_class, DenseLayer):
        params.setdefault("num_units", n_outputs)
        default = getattr(lasagne.nonlinearities, _OUTPUT_NONLINEARITY[target])
        params.setdefault("nonlinearity", default)
    return params


def _build_layer(spec: LayerSpec, params: dict[str, Any], built: dict[str, Any]) -> Any:
    incoming = _incoming(spec, params, built)
    params = resolved(spec, params, built)
    _check_values(spec, params)
    try:
        layer = spec.layer_class(incoming, name=spec.name, **params)
        layer.output_shape  # noqa: B018  (merging layers compare their inputs only here)
    except MemoryError:
        raise
    except Exception as error:
        raise NetworkError(
            f"{_described(spec.name, spec.layer_class, params)}: it cannot stand on "
            f"{_stands_on(incoming)}: {error}"
        ) from error
    layer.name = spec.name  # which a class of a user's own may have forgotten
    _check_size(spec.name, layer, params)
    return layer


def _check_values(spec: LayerSpec, params: dict[str, Any]) -> None:
    wrong = fault(spec.layer_class, params)
    if wrong is not None:
        name, words = wrong
        raise NetworkError(
            f"{_described(spec.name, spec.layer_class, {name: params[name]})}: {name} must be "
            f"{words}; got {params[name]!r}."
        )


def _incoming(spec: LayerSpec, params: dict[str, Any], built: dict[str, Any]) -> Any:
    key = "incomings" if "incomings" in params else "incoming"
    named = params.pop(key, None)
    if named is None:
        previous = list(built.values())[-1]
        return [previous] if _takes_several(spec.layer_class) else previous
    if isinstance(named, str):
        return _layer_named(named, spec, built)
    if isinstance(named, list | tuple):
        return [_layer_named(name, spec, built) for name in named]
    return named


def _takes_several(layer_class: type) -> bool:
    """Whether its first argument is a list of layers; recurrent ones merge too, and take one."""
    from lasagne.layers import MergeLayer

    first = next(iter(inspect.signature(layer_class).parameters), None)
    return first != "incoming" and issubclass(layer_class, MergeLayer)


def _layer_named(name: Any, spec: LayerSpec, built: dict[str, Any]) -> Any:
    if not isinstance(name, str):
        return name
    if name not in built:
        raise NetworkError(
            f"layer {spec.name!r} ({spec.layer_class.__name__}, incoming={name!r}): no layer of "
            f"that name comes before it; there are {', '.join(built)}."
        )
    return built[name]


_REMEDIES = {
    "dilation": "use pad='same', a smaller dilation or filter_size, or drop a pooling layer",
    "filter_size": "use pad='same', a smaller filter_size, or drop a pooling layer",
    "pool_size": "use a smaller pool_size, or drop the layer",
}


def _check_size(name: str, layer: Any, params: dict[str, Any]) -> None:
    shape = layer.output_shape
    if all(size is None or size > 0 for size in shape):
        return
    shown = {
        key: getattr(layer, key)
        for key in ("num_units", "num_filters", *_REMEDIES)
        if hasattr(layer, key)
        and (key in _REMEDIES or (getattr(layer, key) or 1) < 1)
        # Neither dilated nor a window.
        and getattr(layer, key) != (1, 1)
    }
    remedy = next((text for key, text in _REMEDIES.items() if key in shown), None)
    remedy = remedy or "give it sizes of at least 1"
    raise NetworkError(
        f"{_described(name, type(layer), shown or params)}: its input is "
        f"{_stands_on(getattr(layer, 'input_layer', None) or layer.input_layers)}, which leaves it "
        f"an output of {_size(shape[1:])}; {remedy}."
    )


def _described(name: str, layer_class: type, params: dict[str, Any]) -> str:
    arguments = "".join(f", {key}={getattr(v, '__name__', v)!s}" for key, v in params.items())
    return f"layer {name!r} ({layer_class.__name__}{arguments})"


def _stands_on(incoming: Any) -> str:
    layers = incoming if isinstance(incoming, list | tuple) else [incoming]
    return " and ".join(f"{_size(layer.output_shape[1:])} after {layer.name!r}" for layer in layers)


def _size(shape: Sequence[int | None]) -> str:
    """Images as height×width (and channels, where they are not one), others as their sizes."""
    text = "x".join(str(size) for size in (shape[1:] if len(shape) == 3 else shape))
    return f"{text} with {shape[0]} channels" if len(shape) == 3 and shape[0] != 1 else text


def _check_output(network: Network, n_outputs: int, target: Target) -> None:
    shape = network.output.output_shape
    if len(shape) == 2 and shape[1] == n_outputs:
        return
    wanted = {
        "classes": f"y has {n_outputs} classes",
        "numbers": f"y has {n_outputs} columns" if n_outputs > 1 else "y is one number a sample",
        "labels": f"y has {n_outputs} labels",
    }[target]
    raise NetworkError(
        f"layer {network.output.name!r} ({type(network.output).__name__}): it gives "
        f"{_size(shape[1:])} numbers a sample, and {wanted}; leave num_units out, or set it to "
        f"{n_outputs}."
    )


#: A number of samples that is hardly any other size of a network.
_SOME_SAMPLES = 1009


def _check_rows(network: Network) -> None:
    """That the output has a row for each sample: a layer may have taken them for something else."""
    from lasagne.layers import DenseLayer, get_all_layers, get_output_shape

    layers = get_all_layers(network.output)
    given = {layer: (_SOME_SAMPLES, *layer.shape[1:]) for layer in network.inputs.values()}
    shapes = get_output_shape(layers, given)
    for layer in layers:
        if isinstance(layer, DenseLayer) and len(layer.input_shape) < 2:
            raise NetworkError(
                f"layer {layer.name!r} (DenseLayer): its input, of shape {layer.input_shape} after "
                f"{layer.input_layer.name!r}, has no columns; keep a row for each sample, as "
                "ReshapeLayer does with ([0], -1)."
            )
    if shapes[-1][0] in (_SOME_SAMPLES, None):
        return
    odd = [each for each in zip(layers, shapes, strict=True) if each[1][:1] != (_SOME_SAMPLES,)]
    layer, shape = odd[0]
    shape = tuple(None if size is None else int(size) for size in shape)
    raise NetworkError(
        f"layer {layer.name!r} ({type(layer).__name__}): its output for {_SOME_SAMPLES} samples "
        f"has the shape {shape}, and so the network's has {shapes[-1][0]} rows; keep a row for "
        "each sample, as ReshapeLayer does with ([0], -1)."
    )
