"""Parameters that no signature lists: those of the layers, and of any update rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import validate_parameter_constraints

from ..exceptions import NetworkError
from ..network.layer_parameters import LayerParameterTable, list_parameters
from ..network.presets import default_network
from ..network.sequences import is_input, reads_sequences
from ..network.spec import (
    LayerSpec,
    is_layer_argument,
    parse_layers,
    split_parameter,
    with_parameters,
)
from ..training.updates import resolve_update
from .taking_over import network_to_take_over, with_new_head

__all__ = ["LayerParameters"]


class LayerParameters(BaseEstimator):
    """An estimator whose parameters include ``<layer>_<argument>`` and ``update_<argument>``.

    scikit-learn reads parameters off the signature of ``__init__``, which does
    not list these. They are what ``__init__`` or `set_params` were given, and
    attributes that are arguments of a layer or of the update rule. Any other
    attribute is the user's own.

    A subclass may have an ``__init__`` with other arguments. These are its
    parameters then, as in scikit-learn; if ``**params`` is among them, the
    parameters of this class are its parameters too.
    """

    layers: Any
    update: Any
    _parameter_constraints: ClassVar[dict[str, Any]]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_given": self._given_names()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Parameters that a pickle does not know yet have their defaults."""
        super().__setstate__({**_defaults(type(self)), **state})
        given = self.__dict__.pop("_given", None)
        if given is None:  # of a time when every public attribute was a parameter
            given = self._other_attributes()
        self._remember(given)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """The arguments of ``__init__``; where it passes others on, those of its base's too."""
        names: set[str] = set(super()._get_param_names())
        for init in _constructors(cls):
            names.update(_named(init))
            if not _passes_on(init):
                break
        return sorted(names)

    @classmethod
    def _takes_layer_params(cls) -> bool:
        return all(map(_passes_on, _constructors(cls)))

    @classmethod
    def _settings(cls) -> list[str]:
        """The parameters that a network has, whatever the arguments of a subclass are."""
        return list(_named(_constructors(cls)[-1]))

    def _give(self, params: Mapping[str, Any]) -> None:
        """Set parameters of layers, and of the update rule, that no signature lists."""
        self.__dict__.update(params)
        self._remember(params)

    def _remember(self, names: Iterable[str]) -> None:
        given = sorted({*self._given_names(), *names})
        if given:  # nothing else is to be seen on an estimator that has none
            self._given = tuple(given)

    def _given_names(self) -> tuple[str, ...]:
        return getattr(self, "_given", ())

    def _other_attributes(self) -> list[str]:
        """Public attributes that are no settings, and nothing that was learnt."""
        known = self._settings()
        return [
            name
            for name in vars(self)
            if name not in known and not name.startswith("_") and not name.endswith("_")
        ]

    def _more_params(self) -> dict[str, Any]:
        """Every parameter of layers and of the update rule, however it came here."""
        given = self._given_names()
        others = [each for each in self._other_attributes() if each not in given]
        specs = _readable(self._layers_with({})) if others else None
        known = [each for each in others if self._is_argument(each, specs or [])]
        # One that was deleted is not given any more.
        return {name: value for name, value in vars(self).items() if name in (*given, *known)}

    def _is_argument(self, name: str, specs: Sequence[LayerSpec]) -> bool:
        """Whether an attribute is called as an argument of a layer or of the update rule."""
        if name.startswith("update_"):
            return name.removeprefix("update_") in _arguments(self.update)
        return is_layer_argument(name, specs)

    def _undeclared_params(self) -> dict[str, Any]:
        declared = self._get_param_names()
        return {key: value for key, value in self._more_params().items() if key not in declared}

    def _layer_params(self) -> dict[str, Any]:
        return without_update_params(self._more_params())

    def _network_layers(
        self, input_shape: tuple[int, int, int]
    ) -> list[LayerSpec] | Callable[..., Any]:
        """The declared layers, with the parameters of this estimator; a function as it is."""
        layers, params = self.layers, self._layer_params()
        source = network_to_take_over(self)
        if source is not None:
            layers = with_new_head(source)
        if callable(layers):
            if params:
                raise NetworkError(
                    f"unknown parameter {next(iter(params))!r}: layers is a function, which takes "
                    "no layer parameters."
                )
            return layers
        if layers is None:
            specs = default_network(input_shape)
            _check_large_enough(input_shape, specs, params)
        else:
            specs = parse_layers(layers)
        return with_parameters(specs, params, self._settings())

    def layer_params(self) -> LayerParameterTable:
        """List what may be set of each layer: every ``<layer>_<argument>``, and what it means.

        It needs no `fit`. Of ``layers=None`` the default network of images of `input_shape`
        is listed, and without an `input_shape` that of the largest images, which has the
        layers of all. An estimator reads these names as attributes too, so that they complete
        at a prompt: ``extractor.conv2d1_num_filters``.

        Returns
        -------
        LayerParameterTable
            A list of records (name, layer, argument, value, default, meaning) that shows
            itself as a table. It has a ``to_frame()``.

        Raises
        ------
        NetworkError
            `layers` is a function, whose layers nobody knows before it is called, or cannot be
            read; or a parameter belongs to no layer.
        ValueError
            A parameter is not what it must be.

        Examples
        --------
        >>> from convnet_features import ConvNetFeatureExtractor
        >>> extractor = ConvNetFeatureExtractor(dense_num_units=64, input_shape=(1, 28, 28))
        >>> [each] = [p for p in extractor.layer_params() if p.name == "dense_num_units"]
        >>> each.value, each.meaning
        (64, 'Numbers for each sample.')
        """
        self._validate_params()
        return self._listed_of(None)

    def _listed_of(self, name: str | None) -> LayerParameterTable:
        layers = self._network_layers(self.input_shape or _LARGEST)
        if callable(layers):
            raise NetworkError(
                "layer_params: layers is a function, whose layers are not known before it is "
                "called; what it returns is in layers_ after fit."
            )
        return list_parameters(layers, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(each.name for each in self._listed())]

    def __getattr__(self, name: str) -> Any:
        """A layer's parameter that was not set: what the network is built with."""
        if not name.startswith("_") and not name.endswith("_") and self._is_whole():
            for each in self._listed(name):  # all are too many to list for one
                if each.name == name and each.value is not inspect.Parameter.empty:
                    return each.value
        # Once more, for the error of a property or of a method that is not there now.
        return object.__getattribute__(self, name)

    def _is_whole(self) -> bool:
        """Whether ``__init__`` has set everything, so that the layers can be asked for."""
        return vars(self).keys() >= set(self._settings())

    def _listed(self, name: str | None = None) -> LayerParameterTable:
        """`layer_params`; nothing where they cannot be read."""
        try:
            return self._listed_of(name) if self._takes_layer_params() else LayerParameterTable()
        except (AttributeError, NetworkError, TypeError, ValueError):  # `fit` says what is wrong
            return LayerParameterTable()

    def _declared_inputs(self) -> dict[str, tuple[int | None, ...] | None]:
        """What the layers say of their inputs: the shape of a sample by the layer's name.

        None leaves the shape to X. Layers that are a function say nothing.
        """
        layers = self._declared_layers()
        specs = None if layers is None else _readable(layers)
        inputs = [spec for spec in specs or [] if is_input(spec)]
        if not inputs or inputs[0] is not (specs or [])[0]:
            return {"input": None}
        params = self._layer_params()
        shapes = {
            spec.name: params.get(f"{spec.name}_shape", spec.params.get("shape")) for spec in inputs
        }
        return {name: shape and tuple(shape[1:]) for name, shape in shapes.items()}

    def _takes_sequences(self) -> bool:
        """Whether the first layer reads rows of words or of steps, so that X is no images."""
        layers = self._declared_layers()
        return bool(layers) and reads_sequences(_readable(layers) or [])

    def _declared_layers(self) -> Any:
        """The layers, or those of a network that is taken over; None for the default network."""
        source = network_to_take_over(self)
        return self.layers if source is None else source.layers

    def _update_params(self) -> dict[str, Any]:
        """The arguments of the update rule, those that every rule has first."""
        params = {**self._setting_values(), **self._more_params()}
        return {
            key.removeprefix("update_"): value
            for key, value in params.items()
            if key.startswith("update_")
        }

    def _setting_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._settings()}

    def _validate_params(self) -> None:
        """Check what the table of constraints knows, parameters of a subclass included."""
        validate_parameter_constraints(
            self._parameter_constraints,
            {**self._setting_values(), **self.get_params(deep=False)},
            caller_name=type(self).__name__,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those of the layers and of the update rule included.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        dict
        """
        params = super().get_params(deep=deep)
        return {**params, **self._undeclared_params()} if self._takes_layer_params() else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name: ``set_params(conv2d1_num_filters=64, update_momentum=0.95)``.

        Returns
        -------
        self

        Raises
        ------
        NetworkError
            If a parameter is none of the estimator's, the update rule's or the
            layers'; the text names the nearest. Nothing is set then.
        """
        declared = set(self._get_param_names())
        own = {key: value for key, value in params.items() if key.partition("__")[0] in declared}
        undeclared = {key: value for key, value in params.items() if key not in own}
        if undeclared and not self._takes_layer_params():
            raise NetworkError(
                f"unknown parameter {next(iter(undeclared))!r}: {type(self).__name__}'s own "
                f"parameters are {', '.join(sorted(declared))}. With **params in its __init__, "
                "which it passes on, it has those of layers too."
            )
        specs = _readable(self._layers_with(own)) if undeclared else None
        if specs is not None:
            self._check(specs, {**self._undeclared_params(), **undeclared})
        super().set_params(**own)
        self._give(undeclared)
        return self

    def _layers_with(self, params: Mapping[str, Any]) -> Any:
        """The declared layers, once parameters are set; those of a network that is taken over."""
        layers, pretrained = (
            params.get(name, getattr(self, name)) for name in ("layers", "pretrained")
        )
        source = network_to_take_over(SimpleNamespace(layers=layers, pretrained=pretrained))
        return layers if source is None else with_new_head(source)

    def _check(self, specs: list[LayerSpec], undeclared: Mapping[str, Any]) -> None:
        try:
            with_parameters(specs, without_update_params(undeclared), self._get_param_names())
        except NetworkError as error:
            declared = ", ".join(self._get_param_names())
            raise NetworkError(
                f"{error} {type(self).__name__}'s own parameters are {declared}."
            ) from None


def _constructors(cls: type) -> list[Any]:
    """The ``__init__`` of a class, and of those that it comes from."""
    return [vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)]


def _passes_on(init: Any) -> bool:
    """Whether a constructor takes other arguments than it lists."""
    parameters = inspect.signature(init).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _named(init: Any) -> dict[str, inspect.Parameter]:
    """The arguments that a constructor lists."""
    parameters = dict(inspect.signature(init).parameters)
    del parameters[next(iter(parameters))]  # self
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {name: each for name, each in parameters.items() if each.kind not in variable}


def _defaults(cls: type) -> dict[str, Any]:
    """The defaults of a class's arguments, and of those that it comes from."""
    return {
        name: parameter.default
        for init in reversed(_constructors(cls))
        for name, parameter in _named(init).items()
        if parameter.default is not parameter.empty
    }


def _arguments(update: Any) -> Collection[str]:
    """The arguments of an update rule; none where `fit` will say that it is no rule."""
    try:
        return inspect.signature(resolve_update(update)).parameters
    except (TypeError, ValueError):
        return ()


def without_update_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` without those of the update rule."""
    return {key: value for key, value in params.items() if not key.startswith("update_")}


#: Images whose default network has the layers of all those that are smaller.
_LARGEST = (1, 65_536, 65_536)


def _check_large_enough(
    input_shape: tuple[int, int, int], specs: list[LayerSpec], params: Iterable[str]
) -> None:
    """Raise if parameters are about layers that the default network has for larger images only."""
    larger = default_network(_LARGEST)
    for name in params:
        found = split_parameter(name, larger)
        if found is not None and found[0].name not in [spec.name for spec in specs]:
            raise NetworkError(
                f"unknown parameter {name!r}: the default network of images of "
                f"{'x'.join(map(str, input_shape))} (channels x height x width) has the layers "
                f"{', '.join(spec.name for spec in specs)}; that of larger images has "
                f"{found[0].name!r} too. Leave the parameter out, or give layers."
            )


def _readable(layers: Any) -> list[LayerSpec] | None:
    """The layers where they can be read; `fit` says what is wrong where they cannot."""
    if layers is None:
        # Nobody knows the images yet; all sizes share names and arguments of layers.
        return default_network(_LARGEST)
    try:
        return None if callable(layers) else parse_layers(layers)
    except NetworkError:
        return None
