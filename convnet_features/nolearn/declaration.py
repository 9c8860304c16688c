"""A network as nolearn declares it, and built."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from lasagne.objectives import categorical_crossentropy, squared_error
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning, NetworkError
from ..kernels.registry import get_kernels
from ..network.build import Network, is_built
from ..network.inputs import InputShape
from ..network.model import Model
from ..network.spec import LayerSpec, automatic_name, parse_layers, with_parameters
from ..training.history import History
from ..training.updates import resolve_update, update_arguments
from .layers import Layers
from .learner import Learner, Loss, Scores

__all__ = ["EVENTS", "DeclaredNetwork", "as_list"]

#: When handlers are called, as parameters name it.
EVENTS = (
    "on_training_started",
    "on_batch_finished",
    "on_epoch_finished",
    "on_training_finished",
)
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
    scores_train: Scores
    scores_valid: Scores
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
        for key, value in params.items():
            setattr(self, key, as_list(value) if key in EVENTS else value)
        self._kwarg_keys += [k for k in params if k not in declared and k not in self._kwarg_keys]
        return self

    def __sklearn_clone__(self) -> Self:
        # At once, so that a shared variable that is there twice remains one. Lasagne's layers have
        # a `get_params` that scikit-learn would take for its own.
        return type(self)(**copy.deepcopy(self.get_params()))

    def _get_params_for(self, name: str) -> dict[str, Any]:
        """The arguments of a layer, of 'update' or of 'objective', by nolearn's own name."""
        prefix = f"{name}_"
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
        self._refuse_other_functions()
        self.initialize_layers()
        self._learner = Learner(
            self._model,
            self._loss(),
            self._rule(),
            self._update_arguments(),
            _drawn_seed(),
            self.scores_train,
            self.scores_valid,
        )
        if (state := self.__dict__.pop("_optimiser", None)) is not None:
            self._learner.updater.load_state(state)

    def initialize_layers(self, layers: Any = None) -> Any:
        """Build the network, of `layers` if given; returns its output layer, or a list of them."""
        if layers is not None:
            self.set_params(layers=layers)
        if not self._is_built():
            get_kernels(self.engine)
            declared = self._declared_layers()
            model = Model(
                layers=declared,
                input_shape=self._input_shape(declared),
                n_outputs=None,
                target="numbers" if self.regression else "classes",
                engine=self.engine,
                seed=None,
            )
            model.network  # noqa: B018  (builds it, or says what does not fit)
            self._model = model
            self.train_history_ = History()
        outputs = self._model.network.outputs
        return outputs[0] if len(outputs) == 1 else list(outputs)

    # nolearn's names, which scripts ask for.

    @property
    def _output_layers(self) -> list[Any]:
        return list(self._network().outputs)

    @property
    def _output_layer(self) -> Any:
        return self._network().output

    @property
    def _initialized(self) -> bool:
        return "_learner" in vars(self)

    def _create_iter_funcs(
        self, layers: Any, objective: Any, update: Any, output_type: Any
    ) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """(train_iter_, eval_iter_, predict_iter_), which the net makes by itself."""
        net: Any = self
        return net.train_iter_, net.eval_iter_, net.predict_iter_

    def _refuse_other_functions(self) -> None:
        """Raise for a subclass with functions of its own, which nothing here would call."""
        if type(self)._create_iter_funcs is not DeclaredNetwork._create_iter_funcs:
            raise NetworkError(
                f"{type(self).__name__}._create_iter_funcs: a net makes these functions itself "
                "here, and would not call others. What they minimise can be an objective=, how "
                "they update an update= (functions), what else they return scores_train= and "
                "scores_valid=; else write the loop yourself, over net.layers_."
            )

    def _is_built(self) -> bool:
        return "_model" in vars(self)

    def _declared_layers(self) -> list[LayerSpec] | Any:
        declared = self.layers
        given = {key: getattr(self, key) for key in self._kwarg_keys}
        own, more = _of_layers(given), _of_layers(self.more_params or {})
        if not is_built(declared):
            specs = parse_layers(declared)
            prefixes = tuple(f"{spec.name}_" for spec in specs)
            assigned = {k: v for k, v in self._assigned().items() if k.startswith(prefixes)}
            _warn_of_unused(more, specs)
            used = {k: v for k, v in more.items() if k.startswith(prefixes)}
            return with_parameters(specs, {**assigned, **own, **used}, self._get_param_names())
        own |= more
        if own:
            raise NetworkError(
                f"{next(iter(own))}: layers is a network that is built already, which takes no "
                "parameters of layers."
            )
        return declared

    def _input_shape(self, declared: Any) -> InputShape:
        """The shape of a sample; of several inputs, the shape of each by its layer's name."""
        from lasagne.layers import InputLayer, get_all_layers

        if is_built(declared):
            layers = get_all_layers(declared)
            shapes = {
                each.name or automatic_name(type(each), position): tuple(each.shape[1:])
                for position, each in enumerate(layers)
                if isinstance(each, InputLayer)
            }
        else:
            inputs = [each for each in declared if issubclass(each.layer_class, InputLayer)]
            shapes = {spec.name: _declared_shape(spec) for spec in inputs or declared[:1]}
        return shapes if len(shapes) > 1 else next(iter(shapes.values()))

    def _loss(self) -> Loss:
        arguments = self._get_params_for("objective")
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
        given = {name: _present(value) for name, value in self._get_params_for("update").items()}
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


def as_list(handlers: Any) -> list[Any]:
    """Handlers as a new list: of none, one or several."""
    if handlers is None:
        return []
    return list(handlers) if isinstance(handlers, list | tuple) else [handlers]


def _of_layers(params: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in params.items() if not k.startswith(("update_", "objective_"))}


def _warn_of_unused(more: Mapping[str, Any], specs: list[LayerSpec]) -> None:
    """Warn of keys of `more_params` that belong to no layer: nolearn let them pass."""
    names = [spec.name for spec in specs]
    unused = [key for key in more if not key.startswith(tuple(f"{name}_" for name in names))]
    if unused:
        warnings.warn(
            f"more_params: {', '.join(map(repr, unused))} is not used: no layer's name stands "
            f"before it. The layers are {', '.join(names)}.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )


def _declared_shape(spec: LayerSpec) -> tuple[int, ...]:
    if "shape" not in spec.params:
        raise NetworkError(
            f"layer {spec.name!r} ({spec.layer_class.__name__}): give its shape, as in "
            f"{spec.name}_shape=(None, 1, 28, 28)."
        )
    return tuple(spec.params["shape"][1:])


def _present(value: Any) -> Any:
    """The number that a shared scalar holds now; anything else as it is."""
    if hasattr(value, "get_value") and np.ndim(value.get_value(borrow=True)) == 0:
        return float(value.get_value(borrow=True))
    return value


def _drawn_seed() -> int:
    """A seed out of Lasagne's source, so that ``lasagne.random.set_rng`` decides everything."""
    from lasagne.random import get_rng

    return int(get_rng().randint(_SEEDS))
