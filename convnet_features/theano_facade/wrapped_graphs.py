"""``theano.OpFromGraph``: a graph as one Op, perhaps with a gradient of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import graph_inputs

from ..fusion import StableCopy
from .scope import mark_variables, theano_scope

__all__ = ["OpFromGraph"]

#: From (inputs, outputs, gradients of outputs) to gradients of inputs.
Gradient = Callable[[list[Variable], list[Variable], list[Variable]], Sequence[Variable]]


class OpFromGraph(pytensor.compile.builders.OpFromGraph):
    """A graph from `inputs` to `outputs` as an Op of its own, as ``theano.OpFromGraph``.

    Parameters
    ----------
    inputs, outputs : list of variables
        The graph. Shared variables in it need not be listed.
    inline : bool, default=False
        Without effect: the graph is put in its place whenever a function is compiled.
    lop_overrides : 'default', callable, variable, OpFromGraph, or list of these
        The gradients: a function of the lists (inputs, outputs, gradients of the outputs) that
        returns one gradient for each input; a variable of ``DisconnectedType`` or ``NullType``;
        or, in a list, what gives that of one input. ``'default'`` differentiates the graph.
    grad_overrides : as `lop_overrides`
        The same, with functions of (inputs, gradients of the outputs).
    rop_overrides : 'default'
        Nothing else is supported.
    connection_pattern : list of list of bool, optional
        Which output depends on which input, where the graph does not tell.
    name : str, optional
        What the Op is called.
    **kwargs
        As PyTensor's ``OpFromGraph`` takes them.

    Attributes
    ----------
    grad : callable, to be assigned
        ``op.grad = f`` has the effect of ``grad_overrides=f``, and ``op.L_op = f`` that of
        ``lop_overrides=f``, for the gradients that are taken from then on.

    Raises
    ------
    NotImplementedError
        If `rop_overrides` are given, or ``op.R_op`` is assigned: ``theano.tensor.Rop`` is
        computed from gradients here, and would not obey.
    ValueError
        If both `lop_overrides` and `grad_overrides` are given; or, when a gradient is taken, if
        there are not as many overrides, or gradients from them, as inputs.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        inline: bool = False,
        lop_overrides: Any = "default",
        grad_overrides: Any = "default",
        rop_overrides: Any = "default",
        connection_pattern: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not _is_default(lop_overrides) and not _is_default(grad_overrides):
            raise ValueError(
                "OpFromGraph: lop_overrides and grad_overrides both say what the gradient is; "
                "give one of them."
            )
        if not _is_default(rop_overrides):
            raise NotImplementedError(_NO_ROP.format("rop_overrides"))
        self._overrides = _of_outputs_too(grad_overrides)
        if not _is_default(lop_overrides):
            self._overrides = lop_overrides
        copy = StableCopy(list(outputs))
        stable = [copy[each] for each in outputs]
        #: Shared variables in the graph: further inputs, which callers need not give.
        self.held = [
            each
            for each in dict.fromkeys(graph_inputs(stable))
            if isinstance(each, SharedVariable) and each not in inputs
        ]
        with theano_scope():
            super().__init__(
                [*inputs, *self.held],
                stable,
                inline=inline,
                connection_pattern=connection_pattern,
                name=name,
                **kwargs,
            )

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        if len(inputs) + len(self.held) == len(self.inner_inputs):
            inputs = (*inputs, *self.held)
        with theano_scope():
            return mark_variables(super().__call__(*inputs, **kwargs))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "grad":
            self._overrides = _of_outputs_too(value)
        elif name == "L_op":
            self._overrides = value
        elif name in ("R_op", "pushforward"):
            raise NotImplementedError(_NO_ROP.format(f"op.{name}"))
        else:
            super().__setattr__(name, value)

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        """The gradients of `inputs`, by the user's override or by PyTensor."""
        overrides = self._overrides
        if _is_default(overrides):
            return list(super().pullback(inputs, outputs, output_grads))
        gradients = [
            output.zeros_like() if isinstance(gradient.type, DisconnectedType) else gradient
            for output, gradient in zip(outputs, output_grads, strict=True)
        ]
        n_own = len(inputs) - len(self.held)
        arguments = (list(inputs), list(outputs), gradients)
        if not isinstance(overrides, list | tuple):
            results = _overridden(overrides, arguments, len(inputs))
            if len(results) == n_own:
                results += [each.zeros_like() for each in inputs[n_own:]]
            return _with_zeros(self._complete(results, len(inputs)), inputs)
        overrides = self._complete(list(overrides), n_own) + ["default"] * len(self.held)
        defaults: Sequence[Any] = [None] * len(inputs)
        if any(map(_is_default, overrides)):
            defaults = super().pullback(inputs, outputs, output_grads)
        results = [
            default if _is_default(override) else _overridden(override, arguments, 1)[0]
            for override, default in zip(overrides, defaults, strict=True)
        ]
        return _with_zeros(results, inputs)

    def _complete(self, given: list[Any], n_inputs: int) -> list[Any]:
        if len(given) != n_inputs:
            raise ValueError(
                f"OpFromGraph: the gradient's overrides give {len(given)} gradients "
                f"for {n_inputs} inputs; give one for each."
            )
        return given


_NO_ROP = (
    "OpFromGraph: {} cannot be obeyed, because theano.tensor.Rop is computed from gradients here. "
    "Override the gradient, or multiply theano.tensor.jacobian by the evaluation points."
)


def _is_default(override: Any) -> bool:
    return override is None or (isinstance(override, str) and override == "default")


def _of_outputs_too(override: Any) -> Any:
    """An override that takes (inputs, gradients), as one that takes the outputs as well."""
    if isinstance(override, list | tuple):
        return [_of_outputs_too(each) for each in override]
    if not callable(override) or isinstance(override, pytensor.compile.builders.OpFromGraph):
        return override
    return lambda inputs, outputs, gradients: override(inputs, gradients)


def _with_zeros(gradients: list[Variable], inputs: Sequence[Variable]) -> list[Variable]:
    """`gradients`, with zeros for those that are said to be none although the graph connects."""
    return [
        value.zeros_like() if isinstance(gradient.type, DisconnectedType) else gradient
        for gradient, value in zip(gradients, inputs, strict=True)
    ]


def _overridden(override: Any, arguments: tuple[Any, ...], n_results: int) -> list[Variable]:
    """The gradients that `override` gives."""
    if isinstance(override, Variable):
        return [override] * n_results
    if isinstance(override, pytensor.compile.builders.OpFromGraph):
        results = override(*(value for part in arguments for value in part))
    elif callable(override):
        results = override(*arguments)
    else:
        raise TypeError(
            "OpFromGraph: an override of the gradient must be 'default', a function, a variable or "
            f"an OpFromGraph; got {override!r}."
        )
    return list(results) if isinstance(results, list | tuple) else [results]
