"""Gradients as Theano's: finite wherever a stable form of the cost has finite gradients.

Each function here differentiates a stable counterpart of the given graph
(`fusion.StableCopy`); the given graph itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.gradient as pytensor_gradient
from pytensor.graph.basic import Variable

from ..fusion import StableCopy
from .loops import without_deprecation
from .scope import within_scope

__all__ = [
    "Lop",
    "Rop",
    "grad",
    "hessian",
    "jacobian",
    "subgraph_grad",
    "verify_grad",
]

#: Of an Op of the script's own, with the one method that Theano knew.
_GRAD_OF_AN_OP = r"\S+ should implement `pullback`"


@within_scope
def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Variable] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradients of a cost, as ``theano.grad``.

    Parameters
    ----------
    cost : scalar variable, or None
        What to differentiate; None where `known_grads` says it all.
    wrt : variable, or sequence of variables
        With respect to what: inputs, shared variables, or anything computed on the way.
    consider_constant : sequence of variables, optional
        Variables through which nothing is propagated.
    disconnected_inputs : {'raise', 'warn', 'ignore'}
        What to do about variables that the cost does not depend on.
    add_names : bool, default=True
        Name each gradient after the cost and its variable.
    known_grads : mapping of variable to variable, optional
        Gradients with respect to some variables, to begin from.
    return_disconnected : {'zero', 'none', 'disconnected'}
        What stands for the gradient with respect to a variable that the cost does not depend on.
    null_gradients : {'raise', 'return'}
        What to do about gradients that do not exist.

    Returns
    -------
    variable, or list or tuple of variables
        One for each of `wrt`, of its shape.
    """
    variables = _listed(wrt)
    known = dict(known_grads or {})
    constant = list(consider_constant or [])
    outputs = [*([] if cost is None else [cost]), *known]
    gradients: dict[Variable, Any] = {}
    for copy, group in _copies(outputs, variables, [*known, *constant]):
        with without_deprecation(_GRAD_OF_AN_OP):
            results = pytensor_gradient.grad(
                None if cost is None else copy[cost],
                [copy[each] for each in group],
                consider_constant=[copy[each] for each in constant],
                disconnected_inputs=disconnected_inputs,
                add_names=add_names,
                known_grads={copy[key]: value for key, value in known.items()} or None,
                return_disconnected=return_disconnected,
                null_gradients=null_gradients,
            )
        gradients.update(zip(group, results, strict=True))
    return _as_given(wrt, [gradients[each] for each in variables])


@within_scope
def subgraph_grad(
    wrt: Sequence[Variable],
    end: Sequence[Variable],
    start: Mapping[Variable, Variable] | None = None,
    cost: Any = None,
    details: bool = False,
) -> Any:
    """The gradients of a part of a graph, as ``theano.subgraph_grad``."""
    known = dict(start or {})
    outputs = [*([] if cost is None else [cost]), *known]
    copy = StableCopy(outputs, [*known, *end, *_computed(wrt)])
    return pytensor_gradient.subgraph_grad(
        [copy[each] for each in wrt],
        [copy[each] for each in end],
        {copy[key]: value for key, value in known.items()} or None,
        None if cost is None else copy[cost],
        details,
    )


@within_scope
def jacobian(
    expression: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The gradients of every entry of a vector, as ``theano.gradient.jacobian``."""
    constant = list(consider_constant or [])
    (output,), variables, copy = _stable([expression], wrt, constant)
    constant = [copy[each] for each in constant]
    return pytensor_gradient.jacobian(output, variables, constant, disconnected_inputs)


@within_scope
def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The second derivatives of a cost by vectors, as ``theano.gradient.hessian``."""
    constant = list(consider_constant or [])
    (output,), variables, copy = _stable([cost], wrt, constant)
    constant = [copy[each] for each in constant]
    return pytensor_gradient.hessian(output, variables, constant, disconnected_inputs)


@within_scope
def Rop(f: Any, wrt: Any, eval_points: Any, **kwargs: Any) -> Any:  # noqa: N802
    """The Jacobian of `f` times `eval_points`, as ``theano.tensor.Rop``."""
    outputs, variables, _ = _stable(_listed(f), wrt, ())
    return pytensor_gradient.pushforward(_as_given(f, outputs), variables, eval_points, **kwargs)


@within_scope
def Lop(f: Any, wrt: Any, eval_points: Any, consider_constant: Any = None, **kwargs: Any) -> Any:  # noqa: N802
    """`eval_points` times the Jacobian of `f`, as ``theano.tensor.Lop``."""
    constant = list(consider_constant or [])
    outputs, variables, copy = _stable(_listed(f), wrt, constant)
    constant = [copy[each] for each in constant]
    return pytensor_gradient.pullback(outputs, variables, eval_points, constant, **kwargs)


@within_scope
def verify_grad(
    fun: Any,
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Compare gradients with finite differences, as ``theano.gradient.verify_grad``.

    Parameters
    ----------
    fun : callable
        From variables to one variable.
    pt : sequence of ndarray
        Where.
    n_tests : int, default=2
    rng : numpy.random.RandomState or Generator
    eps, abs_tol, rel_tol : float, optional
        The step, and tolerances.
    out_type, mode, cast_to_output_type, no_debug_ref
        As in Theano.

    Raises
    ------
    GradientError
        If they differ.
    """
    from .compiled import evaluation_mode

    pytensor_gradient.verify_grad(
        fun,
        pt,
        n_tests=n_tests,
        rng=np.random.default_rng() if rng is None else rng,
        eps=eps,
        out_type=out_type,
        abs_tol=abs_tol,
        rel_tol=rel_tol,
        mode=evaluation_mode(),
        cast_to_output_type=cast_to_output_type,
    )


def _copies(
    outputs: Sequence[Variable], wrt: Sequence[Variable], opaque: Sequence[Variable]
) -> Iterable[tuple[StableCopy, list[Variable]]]:
    """Stable counterparts of a graph, each with those of `wrt` whose gradients it has."""
    copy = StableCopy(outputs, opaque)
    bypassed = [each for each in dict.fromkeys(wrt) if each in copy.bypassed]
    others = [each for each in dict.fromkeys(wrt) if each not in copy.bypassed]
    if others:
        yield copy, others
    for each in bypassed:
        yield StableCopy(outputs, [*opaque, each]), [each]


def _stable(
    outputs: Sequence[Variable], wrt: Any, opaque: Sequence[Variable]
) -> tuple[list[Variable], Any, StableCopy]:
    """The counterparts of `outputs` and of `wrt`, in one graph."""
    copy = StableCopy(outputs, opaque)
    bypassed = [each for each in _listed(wrt) if each in copy.bypassed]
    if bypassed:
        copy = StableCopy(outputs, [*opaque, *bypassed])
    variables = _as_given(wrt, [copy[each] for each in _listed(wrt)])
    return [copy[each] for each in outputs], variables, copy


def _computed(variables: Sequence[Variable]) -> list[Variable]:
    return [each for each in variables if each.owner is not None]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _as_given(given: Any, results: list[Any]) -> Any:
    """`results` in the container of `given`, or the one result by itself."""
    if isinstance(given, tuple):
        return tuple(results)
    return results if isinstance(given, list) else results[0]
