"""A network as nolearn declares it, and built."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from lasagne.objectives import categorical_crossentropy, squared_error
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from ..exceptions import NetworkError
from ..kernels.registry import get_kernels
from ..network.build import Network
from ..network.model import Model
from ..network.spec import LayerSpec, parse_layers, with_parameters
from ..training.history import History
from ..training.updates import resolve_update, update_arguments
from .layers import Layers
from .learner import Learner, Loss

__all__ = ["DeclaredNetwork"]

_SEEDS = np.iinfo(np.int32).max


class DeclaredNetwork(BaseEstimator):
    """An estimator of layers, an update rule and an objective, with parameters of all three.

    What `NeuralNet.__init__` was given is among its attributes.
    """

    layers: Any
    update: str | Callable[..., Any]
    objective: Callable[..., Any]
    y_tensor_type: Callable[..., Any] | None
    more_params: Mapping[str, Any] | None
    regression: bool
    engine: str
    train_history_: History
    _kwarg_keys: list[str]
    _model: Model
    _learner: Learner

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those of the layers, the update and the objective included.

        `deep` changes nothing: no parameter is an estimator.
        """
        given = {key: getattr(self, key) for key in self._kwarg_keys}
        declared = {key: getattr(self, key) for key in self._get_param_names()}
        return {**declared, **given}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; what the network is made of only before it is built.

        Raises
        ------
        NetworkError
            If the network is built already and a parameter would change its
            layers.
        """
        declared = set(self._get_param_names())
        changes = [
            key
            for key in params
            if key in ("layers", "more_params")
            or (key not in declared and not key.startswith(("update_", "objective_")))
        ]
        if changes and self._is_built():
            raise NetworkError(
                f"{changes[0]}: the network is built already; set it on sklearn.base.clone(net)."
            )
        self.__dict__.update(params)
        self._kwarg_keys += [k for k in params if k not in declared and k not in self._kwarg_keys]
        return self

    def __sklearn_clone__(self) -> Self:
        # At once, so that a shared variable that is there twice remains one. Lasagne's layers have
        # a `get_params` that scikit-learn would take for its own.
        return type(self)(**copy.deepcopy(self.get_params()))

    def _params_for(self, prefix: str) -> dict[str, Any]:
        named = {**self.get_params(), **self._assigned(), **(self.more_params or {})}
        return {key[len(prefix) :]: named[key] for key in named if key.startswith(prefix)}

    def _assigned(self) -> dict[str, Any]:
        """Attributes that scripts set where a parameter was left out: net.dropout1_p = 0.3."""
        declared = {*self._get_param_names(), *self._kwarg_keys}
        return {
            key: value
            for key, value in vars(self).items()
            if key not in declared and not key.startswith("_") and not key.endswith("_")
        }

    # Building

    def initialize(self) -> None:
        """Build and compile the network, if it is not built yet.

        Raises
        ------
        NetworkError
            If the layers do not fit each other, or a parameter belongs to none.
        """
        if "_learner" in vars(self):
            return
        self.initialize_layers()
        self._learner = Learner(
            self._model, self._loss(), self._rule(), self._update_arguments(), _drawn_seed()
        )
        if (state := self.__dict__.pop("_optimiser", None)) is not None:
            self._learner.updater.load_state(state)

    def initialize_layers(self) -> Any:
        """Build the network; returns its output layer."""
        if not self._is_built():
            get_kernels(self.engine)
            model = Model(
                layers=self._declared_layers(),
                input_shape=self._input_shape(),
                n_outputs=None,
                target="numbers" if self.regression else "classes",
                engine=self.engine,
                seed=None,
            )
            model.network  # noqa: B018  (builds it, or says what does not fit)
            self._model = model
            self.train_history_ = History()
        return self._model.network.output

    def _is_built(self) -> bool:
        return "_model" in vars(self)

    def _declared_layers(self) -> list[LayerSpec] | Any:
        declared = self.layers
        if isinstance(declared, list | tuple) and len(declared) == 1:
            declared = declared[0] if _is_layer(declared[0]) else declared
        given = {key: getattr(self, key) for key in self._kwarg_keys} | dict(self.more_params or {})
        own = {k: v for k, v in given.items() if not k.startswith(("update_", "objective_"))}
        if not _is_layer(declared):
            specs = parse_layers(declared)
            prefixes = tuple(f"{spec.name}_" for spec in specs)
            assigned = {k: v for k, v in self._assigned().items() if k.startswith(prefixes)}
            return with_parameters(specs, {**assigned, **own}, self._get_param_names())
        if own:
            raise NetworkError(
                f"{next(iter(own))}: layers is a network that is built already, which takes no "
                "parameters of layers."
            )
        return declared

    def _input_shape(self) -> tuple[int, ...]:
        from lasagne.layers import InputLayer, get_all_layers

        declared = self._declared_layers()
        if _is_layer(declared):
            inputs = [each for each in get_all_layers(declared) if isinstance(each, InputLayer)]
            return tuple(inputs[0].shape[1:])
        first = declared[0]
        if "shape" not in first.params:
            raise NetworkError(
                f"layer {first.name!r} ({first.layer_class.__name__}): give its shape, as in "
                f"{first.name}_shape=(None, 1, 28, 28)."
            )
        return tuple(first.params["shape"][1:])

    def _loss(self) -> Loss:
        arguments = self._params_for("objective_")
        default = squared_error if self.regression else categorical_crossentropy
        arguments["loss_function"] = arguments.get("loss_function") or default
        return Loss(self.objective, arguments, self.y_tensor_type or self._default_target_type())

    def _default_target_type(self) -> Callable[..., Any]:
        import theano.tensor as T

        return T.fmatrix if self.regression else T.ivector

    def _rule(self) -> Callable[..., Any]:
        return resolve_update(self.update)

    def _update_arguments(self) -> dict[str, Any]:
        """The update rule's arguments as they are now, shared scalars by their values."""
        given = {name: _present(value) for name, value in self._params_for("update_").items()}
        return update_arguments(self._rule(), given)

    @property
    def layers_(self) -> Layers:
        """The Lasagne layers by name, inputs first; also by position and slice."""
        return Layers(self._network().layers)

    def _network(self) -> Network:
        if not self._is_built():
            raise NotFittedError(
                f"{type(self).__name__} has no layers_ before fit() or initialize()."
            )
        return self._model.network


def _is_layer(value: Any) -> bool:
    return hasattr(value, "output_shape") and not isinstance(value, type)


def _present(value: Any) -> Any:
    """The number that a shared scalar holds now; anything else as it is."""
    if hasattr(value, "get_value") and np.ndim(value.get_value(borrow=True)) == 0:
        return float(value.get_value(borrow=True))
    return value


def _drawn_seed() -> int:
    """A seed out of Lasagne's source, so that ``lasagne.random.set_rng`` decides everything."""
    from lasagne.random import get_rng

    return int(get_rng().randint(_SEEDS))
