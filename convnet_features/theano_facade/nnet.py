"""``theano.tensor.nnet``: nonlinearities and losses."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .. import ops
from .scope import within_scope

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "confusion_matrix",
    "crossentropy_categorical_1hot",
    "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias",
    "elu",
    "h_softmax",
    "hard_sigmoid",
    "logsoftmax",
    "prepend_0_to_each_row",
    "prepend_1_to_each_row",
    "prepend_scalar_to_each_row",
    "relu",
    "selu",
    "sigmoid_binary_crossentropy",
    "softmax",
    "softmax_with_bias",
    "softplus",
    "softsign",
    "ultra_fast_sigmoid",
]


@within_scope
def softmax(x: Any) -> Variable:
    """exp(x) / Σ exp(x) over the rows of a matrix; a vector is one row."""
    return ops.softmax(x)


@within_scope
def logsoftmax(x: Any) -> Variable:
    """The logarithm of `softmax`, without taking one of 0."""
    return ops.log_softmax(x)


@within_scope
def softplus(x: Any) -> Variable:
    """log(1 + exp(x)), finite for every finite x."""
    return pt.softplus(x)


@within_scope
def relu(x: Any, alpha: Any = 0) -> Variable:
    """max(x, 0), or max(x, alpha · x)."""
    x = pt.as_tensor_variable(x)
    if isinstance(alpha, int | float) and alpha == 0:
        return 0.5 * (x + abs(x))
    return 0.5 * (1 + alpha) * x + 0.5 * (1 - alpha) * abs(x)


@within_scope
def elu(x: Any, alpha: float = 1) -> Variable:
    """x where it is positive, otherwise alpha · (exp(x) - 1)."""
    x = pt.as_tensor_variable(x)
    # The minimum keeps the branch that is not taken from overflowing.
    return pt.switch(x > 0, x, alpha * pt.expm1(pt.minimum(x, 0)))


@within_scope
def selu(x: Any) -> Variable:
    """The scaled `elu` of self-normalising networks (Klambauer et al., 2017)."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


@within_scope
def hard_sigmoid(x: Any) -> Variable:
    """0.2 · x + 0.5, clipped to [0, 1]."""
    return pt.minimum(pt.maximum(pt.as_tensor_variable(x) * 0.2 + 0.5, 0.0), 1.0)


@within_scope
def ultra_fast_sigmoid(x: Any) -> Variable:
    """Theano's piecewise approximation of the sigmoid; slower here than the sigmoid itself."""
    half = 0.5 * abs(pt.as_tensor_variable(x))
    near = 1.5 * half / (1 + half)
    far = 0.935409070603099 + 0.0458812946797165 * (half - 1.7)
    value = pt.switch(half < 1.7, near, pt.switch(half < 3, far, 0.99505475368673))
    return 0.5 * (pt.sign(x) * value + 1)


@within_scope
def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """-Σ t · log(p) for each row p of `coding_dist`, or -log p[t] for integer labels t.

    Parameters
    ----------
    coding_dist : tensor of shape (n_samples, n_classes)
        Probabilities.
    true_dist : tensor of the same shape, or integer vector of shape (n_samples,)
        Distributions, or labels.

    Returns
    -------
    tensor of shape (n_samples,)
    """
    coding_dist, true_dist = map(pt.as_tensor_variable, (coding_dist, true_dist))
    if true_dist.ndim == coding_dist.ndim:
        return -pt.sum(true_dist * pt.log(coding_dist), axis=coding_dist.ndim - 1)
    if true_dist.ndim == coding_dist.ndim - 1:
        return ops.categorical_crossentropy(coding_dist, true_dist)
    raise TypeError(
        "categorical_crossentropy: the targets must have as many dimensions as the probabilities "
        f"({coding_dist.ndim}), or one less; got {true_dist.ndim}."
    )


@within_scope
def binary_crossentropy(output: Any, target: Any) -> Variable:
    """-(t · log(o) + (1 - t) · log(1 - o)), element by element.

    Of a sigmoid it comes to be computed from the sigmoid's input, as Theano's
    optimiser did: finite, with finite gradients, however far that is from 0.
    """
    output, target = map(pt.as_tensor_variable, (output, target))
    return -(target * pt.log(output) + (1.0 - target) * pt.log(1.0 - output))


@within_scope
def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """`binary_crossentropy` of sigmoid(`output`): softplus(z) - t · z."""
    return softplus(output) - pt.as_tensor_variable(target) * output


@within_scope
def softsign(x: Any) -> Variable:
    """x / (1 + |x|)."""
    x = pt.as_tensor_variable(x)
    return x / (1.0 + abs(x))


@within_scope
def h_softmax(
    x: Any,
    batch_size: Any,
    n_outputs: int,
    n_classes: int,
    n_outputs_per_class: int,
    W1: Any,
    b1: Any,
    W2: Any,
    b2: Any,
    target: Any = None,
) -> Variable:
    """The hierarchical softmax of two levels: classes, and outputs within each.

    Parameters
    ----------
    x : tensor of shape (batch_size, n_features)
    batch_size : int or scalar variable
    n_outputs : int
        At most ``n_classes * n_outputs_per_class``.
    n_classes, n_outputs_per_class : int
    W1 : tensor of shape (n_features, n_classes)
    b1 : tensor of shape (n_classes,)
    W2 : tensor of shape (n_classes, n_features, n_outputs_per_class)
    b2 : tensor of shape (n_classes, n_outputs_per_class)
    target : integer tensor of shape (batch_size,) or (batch_size, 1), optional
        Outputs whose probabilities are wanted.

    Returns
    -------
    tensor of shape (batch_size,), or (batch_size, n_outputs) without `target`
        Probabilities.
    """
    x, W1, b1, W2, b2 = map(pt.as_tensor_variable, (x, W1, b1, W2, b2))
    classes = ops.softmax(pt.dot(x, W1) + b1)
    if target is None:
        every = pt.tensordot(x, W2, (1, 1)) + b2.dimshuffle("x", 0, 1)
        within = ops.softmax(every.reshape((-1, n_outputs_per_class), ndim=2))
        within = within.reshape((batch_size, n_classes, n_outputs_per_class), ndim=3)
        outputs = classes.dimshuffle(0, 1, "x") * within
        return outputs.reshape((batch_size, -1), ndim=2)[:, :n_outputs]
    target = pt.as_tensor_variable(target).flatten()
    number, place = target // n_outputs_per_class, target % n_outputs_per_class
    own = pt.matmul(x.dimshuffle(0, "x", 1), W2[number])[:, 0] + b2[number]
    rows = pt.arange(x.shape[0])
    return classes[rows, number] * ops.softmax(own)[rows, place]


@within_scope
def softmax_with_bias(x: Any, b: Any) -> Variable:
    """`softmax` of the rows of x + b."""
    return ops.softmax(pt.as_tensor_variable(x) + b)


@within_scope
def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Variable:
    """-log(p[t]) for each row p of `coding_dist` and its label t."""
    return categorical_crossentropy(coding_dist, true_one_of_n)


@within_scope
def crossentropy_softmax_1hot(x: Any, y_idx: Any, **kwargs: Any) -> tuple[Variable, Variable]:
    """(-log p[t] of each row, probabilities p) of the softmax of `x`."""
    probabilities = ops.softmax(pt.as_tensor_variable(x))
    return categorical_crossentropy(probabilities, y_idx), probabilities


@within_scope
def crossentropy_softmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any, **kwargs: Any
) -> tuple[Variable, Variable]:
    """`crossentropy_softmax_1hot` of x + b."""
    return crossentropy_softmax_1hot(pt.as_tensor_variable(x) + b, y_idx)


@within_scope
def crossentropy_softmax_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any, **kwargs: Any
) -> tuple[Variable, Variable, Variable]:
    """(-log p[t], probabilities p, the most probable class) of each row of the softmax of x + b."""
    losses, probabilities = crossentropy_softmax_1hot_with_bias(x, b, y_idx)
    return losses, probabilities, pt.argmax(probabilities, axis=-1)


@within_scope
def confusion_matrix(actual: Any, pred: Any) -> list[Variable]:
    """[counts, classes]: how often class i was predicted as class j, both in order.

    Parameters
    ----------
    actual, pred : integer vectors

    Returns
    -------
    list of (matrix of shape (n_classes, n_classes), vector of shape (n_classes,))
    """
    actual, pred = map(pt.as_tensor_variable, (actual, pred))
    if actual.ndim != 1 or pred.ndim != 1:
        raise ValueError("confusion_matrix: actual and pred must be vectors.")
    classes = pt.unique(pt.concatenate([actual, pred]))
    of_actual = pt.eq(actual.dimshuffle(0, "x"), classes).astype("int64")
    of_pred = pt.eq(pred.dimshuffle(0, "x"), classes).astype("int64")
    return [pt.dot(of_actual.T, of_pred), classes]


@within_scope
def prepend_scalar_to_each_row(val: Any, mat: Any) -> Variable:
    """A matrix with a first column of `val`."""
    mat = pt.as_tensor_variable(mat)
    column = pt.alloc(pt.cast(val, mat.dtype), mat.shape[0], 1)
    return pt.concatenate([column, mat], axis=1)


def prepend_0_to_each_row(mat: Any) -> Variable:
    """A matrix with a first column of zeros."""
    return prepend_scalar_to_each_row(0, mat)


def prepend_1_to_each_row(mat: Any) -> Variable:
    """A matrix with a first column of ones."""
    return prepend_scalar_to_each_row(1, mat)
