"""Update rules of ``lasagne.updates`` as functions over one contiguous buffer.

Every rule that has a name is element-wise: what happens to one number depends on
that number, its gradient and its own state. So the rule is built once, for one
vector that holds all parameters, and applied in place.
A rule of somebody else's may look at a parameter's name, shape or place in the
list, so it is built for the parameters as they are.
"""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from ..compilation import compile_in_place, compile_program
from ..kernels.registry import get_engine, get_kernels
from ..network.first_use import import_for_networks
from ..network.functions import cached_program, live_variables
from ..theano_facade import theano_scope

__all__ = [
    "Updater",
    "adamax",
    "adamw",
    "amsgrad",
    "make_updater",
    "resolve_update",
    "update_arguments",
]

_LASAGNE_RULES = (
    "sgd",
    "momentum",
    "nesterov_momentum",
    "adagrad",
    "rmsprop",
    "adadelta",
    "adam",
)


# Rules by the convention of ``lasagne.updates``, which lacks them.


def adamw(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> OrderedDict[Any, Any]:
    """Adam with weight decay that does not go through the gradient.

    With t the step's number and g the gradient::

        m := beta1 · m + (1 - beta1) · g
        v := beta2 · v + (1 - beta2) · g²
        a := learning_rate · sqrt(1 - beta2ᵗ) / (1 - beta1ᵗ)
        param := param - a · m / (sqrt(v) + epsilon) - learning_rate · weight_decay · param

    Parameters
    ----------
    loss_or_grads : symbolic expression or list of expressions
        A scalar loss, or the gradients of `params`.
    params : list of shared variables
    learning_rate, beta1, beta2, epsilon : float or scalar expressions
        As in ``lasagne.updates.adam``.
    weight_decay : float or scalar expression, default=0.01
        Every parameter decays, biases too.

    Returns
    -------
    OrderedDict
        From each parameter, and each value that the rule remembers, to its update.

    References
    ----------
    Loshchilov and Hutter (2019), "Decoupled weight decay regularization".
    """
    import lasagne.updates

    updates = lasagne.updates.adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon)
    for param in params:
        updates[param] = updates[param] - learning_rate * weight_decay * param
    return updates


def adamax(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> OrderedDict[Any, Any]:
    """Adam with the largest gradient in the place of the mean square.

    With t the step's number and g the gradient::

        m := beta1 · m + (1 - beta1) · g
        u := max(beta2 · u, abs(g))
        param := param - learning_rate / (1 - beta1ᵗ) · m / (u + epsilon)

    Parameters
    ----------
    loss_or_grads : symbolic expression or list of expressions
        A scalar loss, or the gradients of `params`.
    params : list of shared variables
    learning_rate, beta1, beta2, epsilon : float or scalar expressions

    Returns
    -------
    OrderedDict
        From each parameter, and each value that the rule remembers, to its update.

    References
    ----------
    Kingma and Ba (2015), "Adam: a method for stochastic optimization", section 7.1.
    """
    import theano
    from lasagne.updates import get_or_compute_grads
    from lasagne.utils import floatX
    from theano.tensor import maximum

    gradients = get_or_compute_grads(loss_or_grads, params)
    previous = theano.shared(floatX(0.0))
    t = previous + 1
    rate = learning_rate / (1 - beta1**t)
    updates: OrderedDict[Any, Any] = OrderedDict()
    for param, gradient in zip(params, gradients, strict=True):
        zeros = np.zeros_like(param.get_value(borrow=True))
        mean, largest = (
            theano.shared(zeros.copy(), broadcastable=param.broadcastable) for _ in range(2)
        )
        updates[mean] = beta1 * mean + (1 - beta1) * gradient
        updates[largest] = maximum(beta2 * largest, abs(gradient))
        updates[param] = param - rate * updates[mean] / (updates[largest] + epsilon)
    updates[previous] = t
    return updates


def amsgrad(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> OrderedDict[Any, Any]:
    """Adam whose steps never grow because large gradients are forgotten.

    With t the step's number and g the gradient::

        m := beta1 · m + (1 - beta1) · g
        v := beta2 · v + (1 - beta2) · g²
        u := max(u, v)
        a := learning_rate · sqrt(1 - beta2ᵗ) / (1 - beta1ᵗ)
        param := param - a · m / (sqrt(u) + epsilon)

    Parameters
    ----------
    loss_or_grads : symbolic expression or list of expressions
        A scalar loss, or the gradients of `params`.
    params : list of shared variables
    learning_rate, beta1, beta2, epsilon : float or scalar expressions
        As in ``lasagne.updates.adam``.

    Returns
    -------
    OrderedDict
        From each parameter, and each value that the rule remembers, to its update.

    References
    ----------
    Reddi, Kale and Kumar (2018), "On the convergence of Adam and beyond".
    """
    import theano
    from lasagne.updates import get_or_compute_grads
    from lasagne.utils import floatX
    from theano.tensor import maximum, sqrt

    gradients = get_or_compute_grads(loss_or_grads, params)
    previous = theano.shared(floatX(0.0))
    t = previous + 1
    rate = learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t)
    updates: OrderedDict[Any, Any] = OrderedDict()
    for param, gradient in zip(params, gradients, strict=True):
        zeros = np.zeros_like(param.get_value(borrow=True))
        mean, square, largest = (
            theano.shared(zeros.copy(), broadcastable=param.broadcastable) for _ in range(3)
        )
        updates[mean] = beta1 * mean + (1 - beta1) * gradient
        updates[square] = beta2 * square + (1 - beta2) * gradient**2
        updates[largest] = maximum(largest, updates[square])
        updates[param] = param - rate * updates[mean] / (sqrt(updates[largest]) + epsilon)
    updates[previous] = t
    return updates


def _rules() -> dict[str, Callable[..., Any]]:
    """Every rule that has a name."""
    import_for_networks()
    import lasagne.updates

    named = {name: getattr(lasagne.updates, name) for name in _LASAGNE_RULES}
    return named | {"adamw": adamw, "adamax": adamax, "amsgrad": amsgrad}


def resolve_update(update: str | Callable[..., Any]) -> Callable[..., Any]:
    """An update rule by its name (Lasagne's, 'adamw', 'adamax' or 'amsgrad'), or itself.

    Raises
    ------
    ValueError
        If there is no such rule; the text lists those there are.
    """
    if callable(update):
        return update
    rules = _rules()
    if update not in rules:
        raise ValueError(f"update must be a callable or one of {list(rules)}; got {update!r}.")
    return rules[update]


def update_arguments(
    rule: Callable[..., Any], given: Mapping[str, Any], defaulted: Sequence[str] = ()
) -> dict[str, Any]:
    """The arguments that `rule` takes, out of ``update_*`` parameters.

    Parameters
    ----------
    rule : callable
    given : mapping
        By the rule's own names (``learning_rate``, ``momentum``, ``beta1``).
    defaulted : sequence of str
        Of these, the ones that the user left at their defaults: dropped where
        the rule does not know them.

    Raises
    ------
    ValueError
        If the rule has no such argument, or lacks one; the text names it.
    TypeError
        If a rule that has a name is given anything but a number.
    """
    parameters = inspect.signature(rule).parameters
    known = list(parameters)[2:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(given)
    unknown = [name for name in given if name not in known and name not in defaulted]
    if unknown:
        raise ValueError(
            f"update_{unknown[0]}: the update rule {rule.__name__!r} has no argument "
            f"{unknown[0]!r}; it has {', '.join('update_' + name for name in known)}."
        )
    missing = [n for n in known if n not in given and parameters[n].default is inspect._empty]
    if missing:
        raise ValueError(f"update: the update rule {rule.__name__!r} needs update_{missing[0]}.")
    taken = {name: value for name, value in given.items() if name in known}
    if _has_a_name(rule):
        _check_numbers(rule, taken)
    return taken


def _has_a_name(rule: Callable[..., Any]) -> bool:
    return any(rule is each for each in _rules().values())


def _check_numbers(rule: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise TypeError for what a rule of ours or Lasagne's cannot compute with."""
    from pytensor.graph.basic import Variable

    for name, value in arguments.items():
        if not isinstance(value, Real | np.number | Variable):
            raise TypeError(
                f"update_{name} must be a number (or a shared variable of one) for the update rule "
                f"{rule.__name__!r}; got {value!r}."
            )


@dataclass(frozen=True)
class _Rule:
    """A compiled rule: a function of (*thetas, *states, *gradients, *arguments, *live).

    Attributes
    ----------
    function : callable
        To new (*thetas, *states), or to None, if it is `in_place`.
    initial : tuple of ndarray
        What the states begin with.
    arguments : tuple of str
        Which of the rule's arguments may change between steps.
    live : tuple of shared variables
        What the rule reads besides: its own random generators, or settings that
        somebody changes while training runs.
    in_place : bool
        Whether `function` overwrites thetas and states.
    """

    function: Callable[..., Any]
    initial: tuple[np.ndarray, ...]
    arguments: tuple[str, ...]
    live: tuple[Any, ...]
    in_place: bool


@dataclass
class Updater:
    """An update rule at work on one vector of parameters.

    Attributes
    ----------
    rule : compiled rule
    shapes : list of tuple of int
        What the vector is cut into: itself, where the rule is element-wise.
    arguments : dict of str to float
        The rule's arguments; they may change between steps.
    state : list of ndarray
        What the rule remembers: velocities, accumulated squares, the step count.
    scaled : list of (slice, float)
        Parts of the vector that take longer or shorter steps, and how many times the rule's.
    """

    rule: _Rule
    shapes: list[tuple[int, ...]]
    arguments: dict[str, float]
    state: list[np.ndarray]
    scaled: list[tuple[slice, float]] = field(default_factory=list)

    def apply(self, theta: np.ndarray, gradient: np.ndarray) -> None:
        """Update `theta` in place by one step against `gradient`, both float32 vectors."""
        before = [theta[part].copy() for part, _ in self.scaled]
        self._apply(theta, gradient)
        for (part, factor), old in zip(self.scaled, before, strict=True):
            theta[part] = old + np.float32(factor) * (theta[part] - old)

    def _apply(self, theta: np.ndarray, gradient: np.ndarray) -> None:
        """The rule's own step."""
        values = [np.float32(self.arguments[name]) for name in self.rule.arguments]
        values += [variable.get_value(borrow=True) for variable in self.rule.live]
        if self.rule.in_place:
            self.rule.function(theta, *self.state, gradient, *values)
            return
        held = [*split_vector(theta, self.shapes), *self.state]
        new = self.rule.function(*held, *split_vector(gradient, self.shapes), *values)
        for target, value in zip(held, new, strict=True):
            target[...] = value

    def load_state(self, state: Sequence[np.ndarray]) -> None:
        """Put back what `state` was; raises ValueError for another rule's or network's."""
        if [array.shape for array in self.state] != [np.shape(array) for array in state]:
            raise ValueError("The optimiser's state belongs to another update rule or network.")
        for target, value in zip(self.state, state, strict=True):
            target[...] = value


def split_vector(vector: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Views of a vector, one after the other, of the given shapes."""
    views, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        views.append(vector[start : start + size].reshape(shape))
        start += size
    return views


def make_updater(
    rule: Callable[..., Any],
    arguments: Mapping[str, Any],
    theta: np.ndarray,
    shapes: Sequence[tuple[int, ...]],
    names: Sequence[str | None] | None = None,
    engine: str = "portable",
    factors: Sequence[float] | None = None,
) -> Updater:
    """Set `rule` up for parameters of `shapes` that follow each other in the vector `theta`.

    Parameters
    ----------
    rule : callable
        (gradients, parameters, **arguments) to new values of shared variables.
    arguments : mapping
        The learning rate and other floats may change between steps; anything
        else (a flag, a whole number, a function) reaches the rule as it is.
    theta : ndarray of shape (n_parameters,)
    shapes : sequence of tuple of int
    names : sequence of str, optional
        The parameters' names, for rules that look at them.
    engine : str, default='portable'
        What the rule is compiled for.
    factors : sequence of float, optional
        How many times the rule's step each parameter takes. Every rule that has a name takes
        steps in proportion to its learning rate: so these are learning rates of their own.

    Returns
    -------
    Updater
    """
    shapes = list(shapes)
    scaled = _scaled_parts(shapes, factors or [])
    elementwise = _is_elementwise(rule, arguments)
    if elementwise:
        compiled = _compiled_elementwise(rule, tuple(arguments), engine)
        shapes = [theta.shape]
    else:
        compiled = _compile(rule, arguments, split_vector(theta, shapes), names, engine)
    state = [
        np.broadcast_to(value, theta.shape).copy() if elementwise and value.ndim else value.copy()
        for value in compiled.initial
    ]
    return Updater(compiled, shapes, dict(arguments), state, scaled)


def _scaled_parts(
    shapes: Sequence[tuple[int, ...]], factors: Sequence[float]
) -> list[tuple[slice, float]]:
    """Where the parameters lie whose factor is not 1; neighbours with the same are one part."""
    parts: list[tuple[slice, float]] = []
    start = 0
    for shape, factor in zip(shapes, factors, strict=False):
        stop = start + math.prod(shape)
        if parts and parts[-1][0].stop == start and parts[-1][1] == factor:
            parts[-1] = (slice(parts[-1][0].start, stop), factor)
        elif factor != 1:
            parts.append((slice(start, stop), factor))
        start = stop
    return parts


def _is_elementwise(rule: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    return _has_a_name(rule) and all(isinstance(value, Real) for value in arguments.values())


def _compiled_elementwise(rule: Callable[..., Any], names: tuple[str, ...], engine: str) -> _Rule:
    """Rules that have a name begin with zeros, so that one compiled for one number serves all."""
    one = [np.zeros(1, dtype=np.float32)]
    arguments = dict.fromkeys(names, 0.0)
    return cached_program(
        ("update", rule, names, engine),
        lambda: _compile(
            rule, arguments, one, None, engine, in_place=get_engine(engine).overwrites
        ),
    )


def _compile(
    rule: Callable[..., Any],
    given: Mapping[str, Any],
    thetas: Sequence[np.ndarray],
    names: Sequence[str | None] | None,
    engine: str,
    in_place: bool = False,
) -> _Rule:
    import theano
    from pytensor.graph.replace import clone_replace
    from pytensor.tensor import scalar, tensor

    with theano_scope():
        params = [
            theano.shared(theta.copy(), name=name)
            for theta, name in zip(thetas, names or ["theta"] * len(thetas), strict=True)
        ]
        gradients = [tensor(dtype="float32", shape=(None,) * theta.ndim) for theta in thetas]
        changeable = {
            name: scalar(name, dtype="float32")
            for name, value in given.items()
            if name == "learning_rate" or isinstance(value, float | np.floating)
        }
        updates = dict(rule(gradients, params, **{**given, **changeable}))
        held = [*params, *(variable for variable in updates if variable not in params)]
        inputs = [tensor(dtype=v.type.dtype, shape=(None,) * v.type.ndim) for v in held]
        outputs = clone_replace(
            [updates.get(variable, variable) for variable in held],
            replace=dict(zip(held, inputs, strict=True)),
            rebuild_strict=False,
        )
        live, outputs = live_variables(outputs)
        function = (compile_in_place if in_place else compile_program)(
            [*inputs, *gradients, *changeable.values(), *live.values()],
            outputs,
            get_kernels(engine),
        )
    initial = tuple(np.asarray(variable.get_value()) for variable in held[len(params) :])
    return _Rule(function, initial, tuple(changeable), tuple(live), in_place)
