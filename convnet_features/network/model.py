"""A network together with the values of its parameters: what a fitted estimator holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np

from ..exceptions import NetworkError
from ..fusion import get_fusion
from ..kernels.memory import empty
from ..kernels.registry import get_kernels
from ..locks import new_lock
from .build import Network, Target, build_network
from .functions import Program, output_program
from .inputs import Inputs, InputShape
from .laid_out import LaidOut
from .loans import Loans, next_number
from .on_demand import ImagesOnDemand, in_order
from .sketch import without_values
from .spec import LayerSpec

__all__ = ["Model"]

#: From images of shape (n_samples, n_channels, height, width) to as many, to look at them again.
View = Callable[[np.ndarray], np.ndarray]

#: Rows and columns of a part of a matrix.
_TILE = 256
_NONE_GIVEN: Mapping[str, np.ndarray] = MappingProxyType({})

#: Bytes that the largest layer's activations of one slice of images take: as many as the network's
#: parameters within these bounds. Parameters are read once for each slice, so few images a slice
#: cost more, and many leave the cache (docs/design/performance.md, "Slices of images").
SLICE_BYTES = (8 << 20, 64 << 20)


class _Vector:
    """The attribute `theta`, which numbers its loans: whoever reads it may write to it."""

    def __get__(self, model: Model | None, owner: Any = None) -> np.ndarray | None:
        if model is None:  # the default of the dataclass
            return None
        theta: np.ndarray | None = vars(model)["theta"]
        model._lent = next_number()
        return theta

    def __set__(self, model: Model, theta: np.ndarray | None) -> None:
        vars(model)["theta"] = theta
        model._lent = next_number()


@dataclass(eq=False)
class Model:
    """A network's declaration and its parameters as one vector.

    The Lasagne layers are built when they are first asked for; their shared
    variables hold views of `theta`. Pickles hold the declaration and `theta`.

    Parameters
    ----------
    layers : list of LayerSpec, callable, or lasagne.layers.Layer
        As `build_network` takes them.
    input_shape : (int, int, int), or dict
        (channels, height, width); of several inputs, the shape of each by name.
    n_outputs : int or None
    target : {'classes', 'numbers', 'labels'}
    input_scale : float
        Pixels are multiplied by it on their way in.
    engine : str
        Whose kernels compute.
    theta : ndarray of shape (n_parameters,), optional
        float32: the trainable parameters, then the others, each group as
        ``lasagne.layers.get_all_params`` orders it.
    seed : int or None
        Of the initial parameters, where `theta` is not given.
    frozen : tuple of str
        Layers whose parameters are not trained.
    classes : list or None
        What the outputs stand for, where they are classes or labels and it is
        known: numbers, truth values and text, as JSON has them.
    """

    layers: list[LayerSpec] | Callable[..., Any] | Any
    input_shape: InputShape
    n_outputs: int | None
    target: Target
    input_scale: float = 1.0
    engine: str = "auto"
    theta: _Vector = _Vector()
    seed: int | None = 0
    frozen: tuple[str, ...] = ()
    classes: list[Any] | None = None
    #: The parameters that were never drawn, as `build` got their values: ``<layer>.<parameter>``.
    undrawn: tuple[str, ...] = ()
    _network: Network | None = field(default=None, repr=False)
    _loans: Loans | None = field(default=None, repr=False)
    _programs: dict[Any, Program] = field(default_factory=dict, repr=False)
    _laid_out: LaidOut | None = field(default=None, repr=False)
    #: The number of the last loan of `theta`, or of views of it.
    _lent: int = field(default=0, init=False, repr=False)
    _building: Any = field(default_factory=new_lock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        self.sync_values()
        hidden = ("_network", "_loans", "_lent", "_programs", "_laid_out", "_building")
        state = {key: value for key, value in vars(self).items() if key not in hidden}
        # Buffers of a pickle, and shallow copies, are the memory of `theta` itself.
        self._lent = next_number()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _network=None, _loans=None, _programs={}, _laid_out=None)
        self._lent, self._building = 0, new_lock()

    @property
    def network(self) -> Network:
        """The Lasagne layers."""
        with self._building:
            if self._network is None:
                self._network = self._build()
            return self._network

    def build(self, values: Mapping[str, np.ndarray]) -> None:
        """Build the network with these values of parameters; the others are drawn.

        Parameters
        ----------
        values : mapping of str to ndarray
            By ``<layer>.<parameter>``.

        Raises
        ------
        ValueError
            If there is no such parameter, or it is of another shape.
        """
        with self._building:
            self.undrawn = tuple(values)
            network = self._built()
            self._lay_out(network, values)
            self._network = network

    def _build(self) -> Network:
        network = self._built()
        self._lay_out(network)
        return network

    def _built(self) -> Network:
        with without_values(frozenset(self.undrawn)) if self.undrawn else nullcontext():
            return build_network(
                self.layers, self.input_shape, self.n_outputs, self.target, self.seed
            )

    def _lay_out(self, network: Network, values: Mapping[str, np.ndarray] = _NONE_GIVEN) -> None:
        """Let the parameters hold views of `theta`, which is made of their values if it is None."""
        params = _by_trainability(network, self.frozen)
        _check_types(network)
        if self.theta is None:
            self.theta = _joined(_values(params, values))
        self.theta = _owned(self.theta)
        views = self._values_in(network, self.theta)
        laid_out = list(zip(network.params, views, strict=True))
        for param, view in laid_out:
            param.set_value(view, borrow=True)
        self._loans = Loans(self.theta, laid_out)

    def _values_in(self, network: Network, theta: np.ndarray) -> list[np.ndarray]:
        """Each parameter's value, in the order of ``network.params``: views of any `theta`."""
        params = _by_trainability(network, self.frozen)
        views = _views(theta, [param.get_value(borrow=True) for param in params])
        by_param = dict(zip(params, views, strict=True))
        return [by_param[param] for param in network.params]

    def sync_values(self) -> None:
        """Copy into `theta` what somebody gave a parameter with ``set_value``."""
        if self._loans is not None:
            self._loans.take_in()

    def compute_by(self, engine: str) -> None:
        """Let an engine compute from now on.

        Raises
        ------
        EngineError
            If it cannot.
        """
        get_kernels(engine)
        self.engine = engine

    @property
    def n_trainable(self) -> int:
        """How many numbers at the front of `theta` are trained."""
        return sum(param.get_value(borrow=True).size for param in self.trainable)

    @property
    def trainable(self) -> list[Any]:
        """The parameters that are trained, in the order of `theta`."""
        return _trained(self.network, self.frozen)

    @property
    def named_values(self) -> dict[str, np.ndarray]:
        """Each parameter's value by ``<layer>.<parameter>``: views of `theta`."""
        self.network  # noqa: B018  (building it makes the views)
        self.sync_values()
        params = self.network.named_params
        return {name: param.get_value(borrow=True) for name, param in params.items()}

    def freeze(self, names: Sequence[str]) -> None:
        """Train the parameters of all layers but these; `theta` is laid out anew."""
        if tuple(names) == self.frozen:
            return
        network, self.frozen = self.network, tuple(names)
        # The same bits would be other parameters.
        self.theta = self._laid_out = None
        self._lay_out(network)

    @property
    def values(self) -> list[np.ndarray]:
        """Each parameter's value, in the order of ``network.params``: views of `theta`."""
        self.network  # noqa: B018  (building it makes the views)
        assert self._loans is not None
        self._loans.take_in()
        values = [view for _, view in self._loans.params]
        self._lent = next_number()
        return values

    def program(self, names: Sequence[str]) -> Program:
        """The compiled function from images and parameters to the outputs of layers."""
        key = (tuple(names), self.engine, get_fusion())
        if key not in self._programs:
            self._programs[key] = output_program(self.network, names, self.engine)
        return self._programs[key]

    def function(self, name: str) -> Callable[..., np.ndarray]:
        """From a batch, ready for the network, to a layer's output, parameters as they are now."""
        program = self.program((name,))
        compute = program.frozen([value.copy() for value in self.values])
        n_generators = program.n_generators
        if n_generators:
            return lambda *batch: compute(*batch, *self.streams(n_generators))[0]
        return lambda *batch: compute(*batch)[0]

    def streams(self, count: int) -> list[np.random.Generator]:
        """Generators for layers that draw even without dropout: the same at every call."""
        return [np.random.default_rng((self.seed or 0, index)) for index in range(count)]

    def outputs(
        self,
        names: Sequence[str],
        images: np.ndarray | ImagesOnDemand | Inputs,
        views: Sequence[View] = (),
    ) -> list[np.ndarray]:
        """The deterministic outputs of layers for any number of images.

        Parameters
        ----------
        names : sequence of str
        images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width), or \
                Inputs
            Of any numeric dtype; walked in slices that stay in the cache.
        views : sequence of callables
            From images of any number to as many others, not scaled yet. With
            some, the outputs are the mean of those for the images and for each
            view of them.

        Returns
        -------
        list of ndarray
            One of shape (n_samples, ...) and dtype float32 for each name.

        Raises
        ------
        NetworkError
            If a layer gives other than one row a sample.
        """
        compute = self._function_of_images(names)
        n_generators = self.program(names).n_generators
        shapes = [self._row_shape(name) for name in names]
        results = [empty((len(images), *shape)) for shape in shapes]
        step = self.slice_size
        slices = [slice(start, start + step) for start in range(0, len(images), step)]
        batches = in_order(images, lambda k: self._seen(images[slices[k]], views), len(slices))
        for rows, seen in zip(slices, batches, strict=True):
            for number, batch in enumerate(seen):
                outputs = compute(*batch, *self.streams(n_generators))
                for name, result, value in zip(names, results, outputs, strict=True):
                    if value.shape != (len(batch[0]), *result.shape[1:]):
                        raise self._not_by_rows(name, value.shape)
                    result[rows] = value if number == 0 else result[rows] + value
        if views:
            for result in results:
                result /= 1 + len(views)
        return results

    def _seen(
        self, images: np.ndarray | ImagesOnDemand | Inputs, views: Sequence[View]
    ) -> list[list[np.ndarray]]:
        """`images` as the network takes them, and each view of them; they are made once."""
        if not views:
            return [self.data(images)]
        pixels = np.asarray(images)
        return [self.data(pixels), *(self.data(view(pixels)) for view in views)]

    def _function_of_images(self, names: Sequence[str]) -> Callable[..., tuple[Any, ...]]:
        """From (images, *generators) to the outputs of layers, for the parameters of now."""
        program = self.program(names)
        if get_kernels(self.engine).lays_out_parameters:
            return self._parameters_laid_out().function(program)
        n_data, values = len(self.network.inputs), self.values
        return lambda *given: program.function(*given[:n_data], *values, *given[n_data:])

    def _parameters_laid_out(self) -> LaidOut:
        """The parameters of now: looked at only where somebody may have written to them."""
        kept, lent = self._laid_out, self._numbers_of_loans()
        if kept is not None and kept.known_for == lent:
            return kept
        self.sync_values()
        assert self._loans is not None
        may_change = None in lent or self._loans.are_open()
        if kept is None or not kept.is_for(self._loans.theta):
            theta = self._loans.theta.copy()
            kept = self._laid_out = LaidOut(theta, self._values_in(self.network, theta))
        kept.known_for = None if may_change else lent
        return kept

    def _numbers_of_loans(self) -> list[int | None]:
        self.network  # noqa: B018  (building it makes the values that are lent)
        assert self._loans is not None
        return [self._lent, *self._loans.numbers()]

    def _row_shape(self, name: str) -> tuple[int, ...]:
        """The shape of one sample's output of a layer."""
        shape = self.network.layers[name].output_shape
        if None in shape[1:]:
            raise self._not_by_rows(name, shape)
        return tuple(shape[1:])

    def _not_by_rows(self, name: str, shape: tuple[int | None, ...]) -> NetworkError:
        return NetworkError(
            f"layer {name!r} ({type(self.network.layers[name]).__name__}): its output, of shape "
            f"{shape}, has not one row of known size for each sample; ask for another layer's."
        )

    @property
    def slice_size(self) -> int:
        """How many images a slice has: few enough for the cache, and enough for the parameters."""
        largest = self.network.largest_output
        smallest_slice, largest_slice = SLICE_BYTES
        n_bytes = min(max(vars(self)["theta"].nbytes, smallest_slice), largest_slice)
        return min(max(n_bytes // (4 * largest), 1), 4096)

    def to_network(self, images: Any) -> np.ndarray:
        """What a network of one input takes of `images`: themselves, or scaled float32."""
        if len(self.network.inputs) > 1:
            raise NetworkError(
                "the network has several inputs ("
                f"{', '.join(map(repr, self.network.inputs))}), and this takes images."
            )
        return self.data(images)[0]

    def arguments(self, batch: Any) -> list[np.ndarray]:
        """What programs take of a batch: images, which are scaled already, or `data` of Inputs."""
        return self.data(batch) if isinstance(batch, Inputs) else [batch]

    def data(self, images: Any) -> list[np.ndarray]:
        """What the network takes of `images`, or of several inputs: scaled float32, integers."""
        given = images.arrays if isinstance(images, Inputs) else images
        return self.network.data(given, self.input_scale)


def _owned(theta: np.ndarray) -> np.ndarray:
    """`theta` in memory of its own: not a pickle's, nor a file's that joblib has mapped."""
    is_owned = type(theta) is np.ndarray and theta.flags.owndata and theta.flags.writeable
    return theta if is_owned else np.array(theta, dtype=np.float32)


def _check_types(network: Network) -> None:
    """Raise if a parameter is not float32, as the vector is that they are put into."""
    for name, layer in network.layers.items():
        for position, param in enumerate(layer.params):
            if param.dtype != "float32":
                raise NetworkError(
                    f"layer {name!r} ({type(layer).__name__}): its parameter "
                    f"{param.name or position!r} is {param.dtype}, and networks compute in "
                    "float32; create it with lasagne.utils.floatX(...)."
                )


def _trained(network: Network, frozen: Sequence[str]) -> list[Any]:
    held = {id(param) for name in frozen for param in network.layers[name].params}
    trainable = network.params_tagged(trainable=True)
    return [param for param in trainable if id(param) not in held]


def _by_trainability(network: Network, frozen: Sequence[str]) -> list[Any]:
    trained = _trained(network, frozen)
    front = {id(param) for param in trained}
    ordered = [
        *network.params_tagged(trainable=True),
        *network.params_tagged(trainable=False),
    ]
    return [*trained, *(param for param in ordered if id(param) not in front)]


def _values(params: Sequence[Any], given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The values of parameters: those that are given, and otherwise their own."""
    own = [(param.name, param.get_value(borrow=True)) for param in params]
    if unknown := given.keys() - dict(own).keys():
        raise ValueError(f"the network has no parameter {min(unknown)!r}.")
    for name, value in own:
        if name in given and given[name].shape != value.shape:
            raise ValueError(
                f"parameter {name!r} is of shape {given[name].shape}, and the network's is of "
                f"shape {value.shape}."
            )
    return [given.get(name, value) for name, value in own]


def _joined(values: Sequence[np.ndarray]) -> np.ndarray:
    """One vector of all numbers; an empty one for a network without parameters."""
    theta = empty(sum(value.size for value in values))
    for view, value in zip(_views(theta, values), values, strict=True):
        _copy(view, value)
    return theta


def _copy(into: np.ndarray, value: np.ndarray) -> None:
    """Copy a value, by tiles that stay in the cache where its rows are columns in memory."""
    if value.ndim != 2 or value.flags.c_contiguous:
        into[...] = value
        return
    for row, column in product(*(range(0, size, _TILE) for size in value.shape)):
        place = slice(row, row + _TILE), slice(column, column + _TILE)
        into[place] = value[place]


def _views(theta: np.ndarray, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    total = sum(value.size for value in values)
    if theta.shape != (total,):
        raise ValueError(f"theta holds {theta.size} numbers, and the network has {total}.")
    views, start = [], 0
    for value in values:
        views.append(theta[start : start + value.size].reshape(value.shape))
        start += value.size
    return views
