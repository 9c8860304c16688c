"""Checks for people who write layers, operations and losses of their own.

`check_gradient` compares a gradient with finite differences, `check_layer` a
layer with everything that the estimators take for granted. Both raise an
AssertionError that says what is wrong, and are of use in anybody's test suite.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .kernels.registry import available_kernels
from .network.build import initialisation
from .theano_facade import theano_scope

__all__ = ["check_gradient", "check_layer"]

#: By the dtype that is computed in: the length of a step, the relative error that is allowed, and
#: what rounding makes of the difference of two numbers near 1 when it is divided by the step.
_STEPS = {"float64": (1e-6, 1e-5, 1e-9), "float32": (1e-3, 2e-2, 3e-4)}
_BATCHES = (2, 5)


def check_gradient(
    function: Callable[..., Any],
    *arrays: Any,
    n_directions: int = 3,
    tolerance: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the gradient of an expression with finite differences.

    The outputs are added up with random weights, which gives a number f. For
    each array x, and random directions d, ⟨∂f/∂x, d⟩ is compared with
    (f(x + εd) - f(x - εd)) / 2ε.

    Parameters
    ----------
    function : callable
        From symbolic variables, one for each array, to an expression or a list
        of them: a function in ``theano.tensor`` terms, or an Op.
    *arrays : array-like of any shape
        Where to look. Floats become float64; whole numbers stay as they are
        and are not differentiated.
    n_directions : int, default=3
    tolerance : float, optional
        The relative error that is allowed: 1e-5, or 2e-2 where `function` goes
        through float32.
    seed : int, default=0
        Of the weights and directions.

    Raises
    ------
    AssertionError
        If a gradient differs; the text names the array and both numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import theano.tensor as T
    >>> x = np.random.default_rng(0).normal(size=(2, 3))
    >>> check_gradient(T.tanh, x)
    >>> check_gradient(lambda a, b: T.dot(a, b), x, x.T)

    Where a gradient is stopped, the expression changes and the gradient does
    not say so:

    >>> from theano.gradient import zero_grad
    >>> check_gradient(lambda a: a * zero_grad(a), x)
    Traceback (most recent call last):
    AssertionError: array 0, of shape (2, 3): the gradient along a random direction is ...
    """
    rng = np.random.default_rng(seed)
    values = [_as_double(array) for array in arrays]
    compiled = _Differentiated(function, values)
    weights = [rng.normal(size=each.shape) for each in compiled.outputs(values)]
    step, usual, rounding = _STEPS["float32" if compiled.is_coarse else "float64"]
    relative = usual if tolerance is None else tolerance

    def weighted(at: list[np.ndarray]) -> float:
        results = compiled.outputs(at)
        return sum(float(np.sum(w * r)) for w, r in zip(weights, results, strict=True))

    absolute = rounding * max(abs(weighted(values)), 1.0)
    for index, gradient in compiled.gradients(values, weights).items():
        for _ in range(n_directions):
            direction = rng.normal(size=values[index].shape)
            ahead, behind = (
                weighted([v + s * direction if k == index else v for k, v in enumerate(values)])
                for s in (step, -step)
            )
            difference = (ahead - behind) / (2 * step)
            _compare(index, gradient, direction, difference, relative, absolute)


def _as_double(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


class _Differentiated:
    """A function of arrays, compiled together with its gradient.

    Attributes
    ----------
    is_coarse : bool
        Whether something on the way is float32.
    """

    def __init__(self, function: Callable[..., Any], values: Sequence[np.ndarray]) -> None:
        import theano
        from pytensor.tensor import tensor

        self.floats = [index for index, value in enumerate(values) if value.dtype.kind == "f"]
        with theano_scope():
            variables = [tensor(dtype=v.dtype.name, shape=(None,) * v.ndim) for v in values]
            found = function(*variables)
            outputs = list(found) if isinstance(found, list | tuple) else [found]
            weights = [tensor(dtype="float64", shape=(None,) * each.ndim) for each in outputs]
            total = sum((w * each).sum() for w, each in zip(weights, outputs, strict=True))
            wrt = [variables[index] for index in self.floats]
            gradients = theano.grad(total, wrt, disconnected_inputs="ignore")
            options = {"on_unused_input": "ignore"}
            self._forward = theano.function(variables, outputs, **options)
            self._backward = theano.function([*variables, *weights], gradients, **options)
        self.is_coarse = _computes_in_float32(variables, outputs)

    def outputs(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs at `values`."""
        return [np.asarray(each) for each in self._forward(*values)]

    def gradients(
        self, values: Sequence[np.ndarray], weights: Sequence[np.ndarray]
    ) -> dict[int, np.ndarray]:
        """By position, the gradients of the weighted outputs at `values`."""
        return dict(zip(self.floats, self._backward(*values, *weights), strict=True))


def _computes_in_float32(variables: Sequence[Any], outputs: Sequence[Any]) -> bool:
    """Whether anything that depends on the variables is float32."""
    from pytensor.graph.traversal import io_toposort

    reached = set(variables)
    for node in io_toposort(variables, outputs):
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    return any(getattr(each.type, "dtype", None) == "float32" for each in reached)


def _compare(
    index: int,
    gradient: np.ndarray,
    direction: np.ndarray,
    difference: float,
    relative: float,
    absolute: float,
) -> None:
    where = f"array {index}, of shape {direction.shape}"
    assert gradient.shape == direction.shape, f"{where}: its gradient has shape {gradient.shape}."
    along = float(np.sum(gradient * direction))
    scale = max(abs(difference), float(np.linalg.norm(gradient)))
    assert abs(along - difference) <= relative * scale + absolute, (
        f"{where}: the gradient along a random direction is {along:.6g}, and the difference of the "
        f"values is {difference:.6g}."
    )


def check_layer(
    layer_class: type,
    input_shape: tuple[int, ...] | list[tuple[int, ...]],
    *,
    data: Any = None,
    samples_are_independent: bool = True,
    seed: int = 0,
    **arguments: Any,
) -> None:
    """Check that a Lasagne layer is what the estimators take it for.

    In this order:

    - its class, its arguments and the layer itself can be pickled and copied,
      as ``clone``, ``n_jobs`` and saved models need;
    - two layers of the same seed begin with the same parameters, of float32;
    - for batches of 2 and of 5, its output has the shape that
      ``get_output_shape_for`` says, float32, no NaN, and leaves the input alone;
      in training too;
    - with ``deterministic=True`` it gives the same output twice;
    - each sample's output depends on that sample only;
    - every engine gives the same, fused or not;
    - its gradients with respect to its inputs and its trainable parameters
      agree with finite differences.

    Parameters
    ----------
    layer_class : type
        A subclass of ``lasagne.layers.Layer`` or ``MergeLayer``.
    input_shape : tuple of int, or list of tuple
        The shape of one sample, ``(channels, height, width)`` for images; a list
        of them for a MergeLayer with several inputs.
    data : ndarray of shape (5, ...), or list of ndarray, optional
        Five samples to compute with, where random numbers around 0 make no
        sense: indices for an embedding, say.
    samples_are_independent : bool, default=True
        False leaves that check out.
    seed : int, default=0
        Of the data and the parameters.
    **arguments
        The layer's own.

    Raises
    ------
    AssertionError
        That names the layer and what is wrong.

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, ConcatLayer
    >>> check_layer(Conv2DLayer, (3, 8, 8), num_filters=4, filter_size=3)
    >>> check_layer(ConcatLayer, [(3, 8, 8), (2, 8, 8)])
    """
    checked = _Checked(layer_class, input_shape, arguments, seed)
    _check_copies(checked)
    _check_parameters(checked)
    arrays = checked.arrays(data)
    for n_samples in _BATCHES:
        _check_output(checked, [array[:n_samples] for array in arrays])
    _check_training(checked, arrays)
    if samples_are_independent:
        _check_independence(checked, arrays)
    _check_engines(checked, arrays)
    _check_gradient_of(checked, arrays)


class _Checked:
    """A kind of layer, and the way to one of them."""

    def __init__(
        self,
        layer_class: type,
        input_shape: tuple[int, ...] | list[tuple[int, ...]],
        arguments: dict[str, Any],
        seed: int,
    ) -> None:
        self.layer_class = layer_class
        self.takes_list = isinstance(input_shape, list)
        # Recurrent layers are built on one layer, and compute with a list of one input.
        self.merges = _is_merge(layer_class)
        self.shapes = list(input_shape) if isinstance(input_shape, list) else [input_shape]
        self.arguments = arguments
        self.seed = seed
        self.name = layer_class.__name__

    def build(self) -> Any:
        """A layer on inputs of these shapes."""
        from lasagne.layers import InputLayer

        inputs = [
            InputLayer((None, *shape), name=f"input{i}") for i, shape in enumerate(self.shapes)
        ]
        with initialisation(self.seed):
            return self.layer_class(
                inputs if self.takes_list else inputs[0], name="checked", **self.arguments
            )

    def arrays(self, data: Any) -> list[np.ndarray]:
        """Five samples for each input."""
        if data is not None:
            return [np.asarray(each) for each in (data if self.takes_list else [data])]
        rng = np.random.default_rng(self.seed)
        return [
            rng.normal(size=(max(_BATCHES), *shape)).astype(np.float32) for shape in self.shapes
        ]

    def output(self, layer: Any, variables: Sequence[Any], **options: Any) -> Any:
        """The layer's output as an expression."""
        inputs = list(variables) if self.merges else variables[0]
        return layer.get_output_for(inputs, **options)

    def compute(
        self,
        layer: Any,
        arrays: Sequence[np.ndarray],
        *,
        deterministic: bool = True,
        mode: Any = None,
    ) -> np.ndarray:
        """The layer's output as an array."""
        import theano
        from pytensor.tensor import tensor

        with theano_scope():
            variables = [
                tensor(dtype=array.dtype.name, shape=(None, *array.shape[1:])) for array in arrays
            ]
            expression = self.output(layer, variables, deterministic=deterministic)
            function = theano.function(variables, expression, mode=mode, on_unused_input="ignore")
        return np.asarray(function(*arrays))

    def fail_unless(self, condition: Any, text: str) -> None:
        assert condition, f"{self.name}: {text}"


def _is_merge(layer_class: type) -> bool:
    from lasagne.layers import MergeLayer

    return issubclass(layer_class, MergeLayer)


def _check_copies(checked: _Checked) -> None:
    name, kind = checked.name, checked.layer_class
    try:
        by_name = pickle.loads(pickle.dumps(kind))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"{name}: the class cannot be pickled ({error}); define it at the top level of a "
            "module."
        ) from error
    checked.fail_unless(by_name is kind, "another class is found under its name.")
    layer = checked.build()
    for what, value in (("arguments", checked.arguments), ("layer itself", layer)):
        try:
            copy.deepcopy(value)
            pickle.loads(pickle.dumps(value))
        except Exception as error:
            raise AssertionError(
                f"{name}: the {what} cannot be copied or pickled ({type(error).__name__}: "
                f"{error}); give functions that have a name in a module, and keep no expressions."
            ) from error


def _check_parameters(checked: _Checked) -> None:
    one, other = (checked.build().get_params() for _ in range(2))
    for first, second in zip(one, other, strict=True):
        checked.fail_unless(
            first.dtype == "float32",
            f"its parameter {first.name!r} is {first.dtype}, not float32; create it with "
            "lasagne.utils.floatX(...).",
        )
        checked.fail_unless(
            np.array_equal(first.get_value(), second.get_value()),
            f"its parameter {first.name!r} begins differently with the same seed; draw from "
            "lasagne.random.get_rng().",
        )


def _check_output(checked: _Checked, arrays: list[np.ndarray]) -> None:
    layer = checked.build()
    given = [array.copy() for array in arrays]
    output = checked.compute(layer, given)
    _check_array(checked, layer, output, len(arrays[0]))
    checked.fail_unless(
        all(np.array_equal(a, b) for a, b in zip(given, arrays, strict=True)),
        "it changes its input in place.",
    )
    checked.fail_unless(
        np.array_equal(checked.compute(layer, arrays), output),
        "with deterministic=True it gives another output at the second call.",
    )


def _check_array(checked: _Checked, layer: Any, output: np.ndarray, n_samples: int) -> None:
    shapes = [(n_samples, *shape) for shape in checked.shapes]
    rule = layer.get_output_shape_for(shapes if checked.merges else shapes[0])
    checked.fail_unless(
        len(rule) == output.ndim
        and all(size in (None, real) for size, real in zip(rule, output.shape, strict=True)),
        f"its output has shape {output.shape}, and get_output_shape_for says {tuple(rule)}.",
    )
    checked.fail_unless(
        output.dtype == np.float32,
        f"its output is {output.dtype}, not float32; numbers of NumPy's and integers make float64 "
        "of it.",
    )
    checked.fail_unless(np.isfinite(output).all(), "its output holds NaN or infinity.")


def _check_training(checked: _Checked, arrays: list[np.ndarray]) -> None:
    layer = checked.build()
    output = checked.compute(layer, arrays, deterministic=False)
    _check_array(checked, layer, output, len(arrays[0]))


def _check_independence(checked: _Checked, arrays: list[np.ndarray]) -> None:
    layer = checked.build()
    together = checked.compute(layer, arrays)
    alone = [checked.compute(layer, [a[i : i + 1] for a in arrays]) for i in range(len(arrays[0]))]
    checked.fail_unless(
        _agree(np.concatenate(alone), together),
        "a sample's output depends on the others in its batch, with deterministic=True.",
    )


def _check_engines(checked: _Checked, arrays: list[np.ndarray]) -> None:
    from .compilation import mode

    layer = checked.build()
    expected = checked.compute(layer, arrays, mode=mode("portable", fuse=False))
    for engine in available_kernels():
        for fuse in (True, False):
            output = checked.compute(layer, arrays, mode=mode(engine, fuse=fuse))
            checked.fail_unless(
                _agree(output, expected),
                f"engine {engine!r} gives another output than 'portable' does unfused.",
            )


def _agree(actual: np.ndarray, expected: np.ndarray) -> bool:
    if actual.shape != expected.shape:
        return False
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    return bool(np.abs(actual - expected).max(initial=0) <= 1e-4 * scale)


def _check_gradient_of(checked: _Checked, arrays: list[np.ndarray]) -> None:
    from pytensor.graph.replace import clone_replace

    with _float64():
        layer = checked.build()
        params = layer.get_params(trainable=True)

        def expression(*variables: Any) -> Any:
            inputs, values = variables[: len(arrays)], variables[len(arrays) :]
            output = checked.output(layer, inputs, deterministic=True)
            return clone_replace(
                output, dict(zip(params, values, strict=True)), rebuild_strict=False
            )

        names = [f"input {index}" for index in range(len(arrays))] + [p.name for p in params]
        values = [*arrays, *(param.get_value() for param in params)]
        try:
            check_gradient(expression, *values, seed=checked.seed)
        except AssertionError as error:
            index, _, rest = str(error).removeprefix("array ").partition(",")
            raise AssertionError(f"{checked.name}: {names[int(index)]},{rest}") from None


@contextmanager
def _float64() -> Iterator[None]:
    """Parameters of float64, whose differences are exact enough to be divided by a small step."""
    import theano

    before = theano.config.floatX
    theano.config.floatX = "float64"
    try:
        yield
    finally:
        theano.config.floatX = before
