"""The result of ``theano.function``: PyTensor's function, with Theano's behaviour."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.executor import Function
from pytensor.compile.io import In
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Variable
from pytensor.tensor.type import TensorType

from .config import config
from .loops import without_deprecation
from .meanings import fitting_updates
from .modes import Mode as FacadeMode
from .recipe import Recipe, independent
from .scope import theano_scope

__all__ = ["CompiledFunction", "compiled", "evaluation_mode"]


def evaluation_mode() -> Mode:
    """The mode of every function that the facade compiles: no C, no Numba."""
    from .. import compilation

    return compilation.mode()


def compiled(
    inputs: Sequence[Any], outputs: Any, updates: Any, givens: Any, options: dict[str, Any]
) -> CompiledFunction:
    """Compile what ``pytensor.function`` compiles; a mode of None is the facade's own."""
    mode = options["mode"] or evaluation_mode()
    mode = mode.made() if isinstance(mode, FacadeMode) else mode
    updates = fitting_updates(updates)
    with theano_scope(), without_deprecation("The no_default_updates parameter"):
        function = pytensor.function(
            list(inputs), outputs, updates=updates, givens=givens, **(options | {"mode": mode})
        )
    return _as_compiled(function, Recipe.of(inputs, outputs, updates, givens, options))


def _as_compiled(function: Function, recipe: Recipe | None) -> CompiledFunction:
    """Turn a function of PyTensor's into a `CompiledFunction` in place."""
    function.__class__ = CompiledFunction
    function.maker.recipe = recipe
    return function


class CompiledFunction(Function):
    """A compiled function. It says which input is wrong, and how; and it can be pickled.

    A pickle holds the graph, and the values of the shared variables, and is compiled again when
    it is loaded. Functions that are pickled together share what they shared. A deep copy has
    shared variables of its own.
    """

    __slots__ = ()  # as PyTensor's, which becomes one of these

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the function; None if it is unknown."""
        return self.maker.recipe

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except TypeError as error:
            complaint = self._complaint(args, kwargs)
            if complaint is None:
                raise
            raise TypeError(complaint) from error

    def copy(
        self,
        share_memory: bool = False,
        swap: Any = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: Any = None,
    ) -> CompiledFunction:
        """As PyTensor's: a function of the same graph, perhaps of other shared variables."""
        result = super().copy(share_memory, swap, delete_updates, name, profile)
        recipe = self.recipe
        if recipe is not None and swap:
            recipe = recipe.swapped(swap)
        if recipe is not None and delete_updates:
            recipe = recipe.without_updates()
        return _as_compiled(result, recipe)

    def __reduce__(self) -> tuple[Any, ...]:
        state = self._recipe("pickled").flat()
        try:
            # A trial without the arrays: pickle's own message would not name the culprit.
            pickle.dumps(state, protocol=5, buffer_callback=lambda buffer: None)
        except (AttributeError, RecursionError, TypeError, pickle.PicklingError) as error:
            raise pickle.PicklingError(
                self._refusal("pickled", f"its graph cannot: {error}")
            ) from error
        return _restored, (state,)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        recipe = self._recipe("copied")
        swap = {each: independent(each, memo) for each in recipe.shared()}
        return compiled(*recipe.swapped(swap).arguments())

    def _recipe(self, done: str) -> Recipe:
        if self.recipe is None:
            raise pickle.PicklingError(
                self._refusal(done, "it was made of more than inputs and variables")
            )
        return self.recipe

    def _refusal(self, done: str, reason: str) -> str:
        return (
            f"{self._title()} cannot be {done}, because {reason}. Save the values of its shared "
            "variables (get_value), and make the function anew from the code that made it."
        )

    def _title(self) -> str:
        return f"theano.function {self.name!r}" if self.name else "theano.function"

    def _complaint(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """A description of the first input of a wrong type; None if all are right."""
        named = {each.name or each.variable.name: each for each in self.maker.inputs}
        given = [*zip(self.maker.inputs, args, strict=False)]
        given += [(named[name], value) for name, value in kwargs.items() if name in named]
        for position, (each, value) in enumerate(given):
            complaint = _complaint(each, value)
            if complaint is not None:
                name = each.name or each.variable.name
                which = f"its input {name!r}" if name else f"its input number {position}"
                return f"{self._title()}: {which} {complaint}"
        return None


def _restored(state: dict[str, Any]) -> CompiledFunction:
    """Load a function from a pickle, in a process that may not have installed the facade yet."""
    from .finder import install

    install()
    return compiled(*Recipe.from_flat(state).arguments())


def _complaint(given: In, value: Any) -> str | None:
    type_ = given.variable.type
    if not isinstance(type_, TensorType) or isinstance(value, Variable):
        return None
    array = np.asarray(value)
    if array.dtype == object:
        return None
    what = _called(type_)
    if array.ndim != type_.ndim:
        return f"is {what}; it cannot take an array of shape {array.shape}."
    if given.allow_downcast or np.can_cast(array.dtype, type_.dtype, "safe"):
        return None
    remedies = [f"pass it as value.astype({type_.dtype!r})"]
    if type_.dtype == config.floatX:
        remedies = ["pass it as value.astype(theano.config.floatX)"]
    remedies.append("make the function with allow_input_downcast=True")
    if type_.dtype == "float32" and array.dtype == np.float64:
        remedies.append("set theano.config.floatX = 'float64' before anything else")
    elif type_.dtype.startswith("int") and array.dtype == np.int64:
        remedies.append(f"declare the input as theano.tensor.l{_kind(type_)}")
    of_floatx = ", which is theano.config.floatX" if type_.dtype == config.floatX else ""
    choices = f"{', '.join(remedies[:-1])}, or {remedies[-1]}"
    return (
        f"is {what}{of_floatx}; an array of {array.dtype} would lose precision. "
        f"{choices[0].upper()}{choices[1:]}."
    )


def _kind(type_: TensorType) -> str:
    names = ("scalar", "vector", "matrix")
    return names[type_.ndim] if type_.ndim < len(names) else f"tensor{type_.ndim}"


def _called(type_: TensorType) -> str:
    return f"a {_kind(type_)} of {type_.dtype}"
