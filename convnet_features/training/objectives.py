"""The loss of a batch as a symbolic expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..exceptions import NetworkError
from ..network.build import Network, Target

__all__ = [
    "DEFAULT_LOSS",
    "Objective",
    "TargetVariable",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_hinge_loss",
    "categorical_accuracy",
    "for_evaluation",
    "huber_loss",
    "multiclass_hinge_loss",
    "of_probabilities",
    "penalty",
    "resolve_loss",
    "sample_losses",
    "smoothed",
    "squared_error",
    "takes_shares",
    "target_variable",
    "training_loss",
]

Objective = Callable[[Any, Any], Any]
#: What a batch's targets are: classes may have become rows of probabilities.
TargetVariable = Target | Literal["probabilities"]
#: From what the network learns to the name of a function in ``lasagne.objectives``.
DEFAULT_LOSS: dict[Target, str] = {
    "classes": "categorical_crossentropy",
    "numbers": "squared_error",
    "labels": "binary_crossentropy",
}
#: Losses that compare unit by unit: classes reach them as a matrix of ones and zeros.
_UNIT_BY_UNIT = ("binary_crossentropy", "squared_error", "binary_hinge_loss", "huber_loss")


# Objectives that Lasagne gained after 0.1, or that put targets beside predictions since.


def squared_error(a: Any, b: Any) -> Any:
    """(a - b)², number by number.

    Parameters
    ----------
    a, b : tensors of the same shape
        Or a vector and a matrix of one column, which the vector becomes as well.

    Returns
    -------
    tensor of the same shape

    Raises
    ------
    ValueError
        If the matrix beside a vector is known to have more than one column; where that is known
        only when the compiled function is called, it raises an AssertionError.

    Examples
    --------
    >>> import numpy as np
    >>> from convnet_features.training.objectives import squared_error
    >>> squared_error(np.array([[1.0], [2.0]]), np.array([1.0, 4.0])).eval().tolist()
    [[0.0], [4.0]]
    """
    return _original("squared_error")(*_beside("squared_error", a, b))


def binary_crossentropy(predictions: Any, targets: Any) -> Any:
    """-t · log(p) - (1 - t) · log(1 - p), number by number.

    Parameters
    ----------
    predictions : tensor
        Probabilities between 0 and 1, as sigmoids give them.
    targets : tensor of the same shape
        Numbers from 0 to 1; or a vector, for predictions of one column.

    Returns
    -------
    tensor of the same shape

    Raises
    ------
    ValueError
        If the matrix beside a vector is known to have more than one column; where that is known
        only when the compiled function is called, it raises an AssertionError.
    """
    predictions, targets = _beside("binary_crossentropy", predictions, targets)
    return _original("binary_crossentropy")(predictions, targets)


def binary_hinge_loss(
    predictions: Any,
    targets: Any,
    delta: float = 1.0,
    log_odds: bool | None = None,
    binary: bool = True,
) -> Any:
    """max(0, delta - s · p) for predictions p of any size, where s is 1 or -1.

    Parameters
    ----------
    predictions : tensor
        Scores, as a layer without nonlinearity gives them.
    targets : tensor of the same shape
        1 or 0 for s of 1 or -1; or a vector, for predictions of one column.
    delta : float, default=1
        The margin.
    log_odds : bool, optional
        False says that predictions are probabilities, of which scores are to be made:
        log(p / (1 - p)).
    binary : bool, default=True
        False says that targets are s itself: 1 and -1.

    Returns
    -------
    tensor of the same shape
    """
    from pytensor.tensor import cast, log, maximum

    if log_odds is not None and not log_odds:
        predictions = log(predictions / (1 - predictions))
    predictions, targets = _beside("binary_hinge_loss", predictions, targets)
    signs = 2 * targets - 1 if binary else targets
    # Whole numbers times float32 would be float64.
    signs = cast(signs, predictions.dtype)
    return maximum(0, np.float32(delta) - signs * predictions)


def multiclass_hinge_loss(predictions: Any, targets: Any, delta: float = 1.0) -> Any:
    """max(0, delta + max over the wrong classes of p - p of the right one).

    Parameters
    ----------
    predictions : matrix
        Scores of shape (n_samples, n_classes).
    targets : integer vector, or matrix of ones and zeros
    delta : float, default=1
        The margin.

    Returns
    -------
    vector of shape (n_samples,)

    Raises
    ------
    TypeError
        If the targets have another number of dimensions.
    """
    from pytensor.tensor import maximum

    _check_ranks(predictions, targets)
    right = one_hot(targets, predictions) if targets.ndim == 1 else targets
    score = (right * predictions).sum(axis=1)
    # No score is as low as this one, so the right class is never the largest of the wrong.
    runner_up = (predictions - right * np.float32(1e30)).max(axis=1)
    return maximum(0, np.float32(delta) + runner_up - score)


def huber_loss(predictions: Any, targets: Any, delta: float = 1.0) -> Any:
    """d² / 2 where |d| = |p - t| ≤ delta, and delta · (|d| - delta / 2) beyond.

    Parameters
    ----------
    predictions, targets : tensors of the same shape
        Or a vector of targets, for predictions of one column.
    delta : float, default=1

    Returns
    -------
    tensor of the same shape
    """
    from pytensor.tensor import maximum, minimum

    limit = np.float32(delta)
    predictions, targets = _beside("huber_loss", predictions, targets)
    size = abs(predictions - targets)
    inside, outside = minimum(size, limit), maximum(size - limit, 0)
    return np.float32(0.5) * inside * inside + limit * outside


def binary_accuracy(predictions: Any, targets: Any, threshold: float = 0.5) -> Any:
    """Whether a probability is on the right side of the threshold.

    Parameters
    ----------
    predictions : tensor
        Probabilities.
    targets : tensor of the same shape
        Ones and zeros; or a vector, for predictions of one column.
    threshold : float, default=0.5
        From here on a prediction is a 1.

    Returns
    -------
    tensor of booleans of the same shape
    """
    from pytensor.tensor import eq, ge

    predictions, targets = _beside("binary_accuracy", predictions, targets)
    return eq(ge(predictions, threshold), targets)


def categorical_accuracy(predictions: Any, targets: Any, top_k: int = 1) -> Any:
    """Whether the right class is among the `top_k` likeliest.

    Parameters
    ----------
    predictions : tensor of shape (..., n_classes)
        Probabilities or scores.
    targets : integer tensor of shape (...,), or tensor of the shape of `predictions`
        Classes, or a row of ones and zeros for each.
    top_k : int, default=1
        How many classes may be named.

    Returns
    -------
    tensor of booleans of shape (...,)

    Raises
    ------
    TypeError
        If the targets have another number of dimensions.
    """
    from pytensor.tensor import any as any_of
    from pytensor.tensor import argmax, argsort, eq, shape_padright

    _check_ranks(predictions, targets)
    if targets.ndim == predictions.ndim:
        targets = argmax(targets, axis=-1)
    if top_k == 1:
        return eq(argmax(predictions, axis=-1), targets)
    likeliest = argsort(predictions, axis=-1)[..., -top_k:]
    return any_of(eq(likeliest, shape_padright(targets)), axis=-1)


def _check_ranks(predictions: Any, targets: Any) -> None:
    if targets.ndim not in (predictions.ndim, predictions.ndim - 1):
        raise TypeError(
            f"rank mismatch between targets and predictions: the targets have {targets.ndim} "
            f"dimensions, and the predictions {predictions.ndim}."
        )


def _beside(who: str, predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Both as matrices where one is a vector, which would be a row: it becomes a column.

    Of the output of a layer nobody knows the width until it is computed; it is checked then.
    """
    from pytensor.tensor import as_tensor_variable

    predictions, targets = as_tensor_variable(predictions), as_tensor_variable(targets)
    if (predictions.ndim, targets.ndim) == (2, 1):
        return predictions, _column(who, targets, predictions)
    if (predictions.ndim, targets.ndim) == (1, 2):
        return _column(who, predictions, targets), targets
    return predictions, targets


def _column(who: str, vector: Any, matrix: Any) -> Any:
    """`vector` as a column beside a `matrix` of one."""
    from pytensor.raise_op import CheckAndRaise
    from pytensor.tensor import eq

    column, width = vector.dimshuffle(0, "x"), matrix.type.shape[1]
    if width == 1:
        return column
    text = (
        f"{who}: a vector stands beside a matrix of {width or 'several'} columns. A vector "
        "is one number a sample, which goes with one column: give a matrix of the same shape; or, "
        "if the vector is the same for all samples, vector.dimshuffle('x', 0)."
    )
    if width is not None:
        raise ValueError(text)
    return CheckAndRaise(ValueError, text)(column, eq(matrix.shape[1], 1))


def _original(name: str) -> Objective:
    """Lasagne 0.1's own objective."""
    from ..theano_facade.lasagne_modules import original

    objective: Objective = original("lasagne.objectives", name)
    return objective


_OURS = (binary_crossentropy, binary_hinge_loss, huber_loss, multiclass_hinge_loss, squared_error)


def _losses() -> dict[str, Objective]:
    """Every loss that has a name."""
    from lasagne.objectives import categorical_crossentropy

    ours: dict[str, Objective] = {each.__name__: each for each in _OURS}
    return {**ours, "categorical_crossentropy": categorical_crossentropy}


def resolve_loss(loss: str | Objective, target: Target) -> Objective:
    """A function (prediction, target) -> losses, from its name or itself.

    Parameters
    ----------
    loss : str or callable
        ``'auto'`` is the categorical cross-entropy for classes, the squared
        error for numbers, and the binary cross-entropy for labels. Classes
        reach a callable of one's own as integers; the losses that compare unit
        by unit get them as rows of ones and zeros.
    target : {'classes', 'numbers', 'labels'}

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no such loss; the text lists those there are.
    """
    known = _losses()
    if loss == "auto":
        loss = DEFAULT_LOSS[target]
    if not callable(loss):
        if loss not in known:
            raise ValueError(
                f"loss must be 'auto', a callable, or one of {sorted(known)}; got {loss!r}."
            )
        loss = known[loss]
    if target == "classes" and any(loss is known[name] for name in _UNIT_BY_UNIT):
        return UnitByUnit(loss)
    return loss


@dataclass(frozen=True)
class UnitByUnit:
    """A loss that compares matrices, for targets that are integers."""

    objective: Objective

    def __call__(self, prediction: Any, target: Any) -> Any:
        return self.objective(prediction, one_hot(target, prediction))


@dataclass(frozen=True)
class Smoothed:
    """A loss whose targets are a share `epsilon` away from 0 and 1: t(1 - ε) + ε / k.

    k is the number of classes, or 2 for labels (Szegedy et al., 2016,
    "Rethinking the Inception architecture"). A matrix holds labels, or the
    `probabilities` of classes.
    """

    objective: Objective
    epsilon: float
    probabilities: bool = False

    def __call__(self, prediction: Any, target: Any) -> Any:
        n_values: Any = np.float32(2)
        labels = target.ndim > 1 and not self.probabilities
        if not labels:
            n_values = prediction.shape[1].astype("float32")
        if target.ndim == 1:
            target = one_hot(target, prediction)
        kept, spread = np.float32(1 - self.epsilon), np.float32(self.epsilon) / n_values
        objective = self.objective if labels else _checked(self.objective, "label_smoothing")
        return objective(prediction, target * kept + spread)


def smoothed(objective: Objective, epsilon: float, probabilities: bool = False) -> Objective:
    """`objective` with label smoothing, for an `epsilon` in [0, 1); itself for one of 0."""
    if epsilon == 0:
        return objective
    return Smoothed(_of_rows(objective), float(epsilon), probabilities)


def of_probabilities(objective: Objective) -> Objective:
    """`objective` for rows of probabilities, as `augment` mixes them, instead of classes."""
    return _checked(_of_rows(objective), "augment")


def _of_rows(objective: Objective) -> Objective:
    return objective.objective if isinstance(objective, UnitByUnit) else objective


def _checked(objective: Objective, maker: str) -> Objective:
    """`objective`; a user's own with an error that says where its rows come from."""
    return objective if objective in _losses().values() else OfRows(objective, maker)


#: How not to have classes mixed.
_WITHOUT = {"augment": "no MixUp or CutMix", "label_smoothing": "label_smoothing=0"}


@dataclass(frozen=True)
class OfRows:
    """A user's own loss, which gets rows of probabilities where it would get classes.

    Attributes
    ----------
    objective : callable
    maker : {'augment', 'label_smoothing'}
        The parameter that makes rows of classes.
    """

    objective: Objective
    maker: str

    def __call__(self, prediction: Any, target: Any) -> Any:
        try:
            return self.objective(prediction, target)
        except NetworkError:
            raise
        except Exception as error:
            raise NetworkError(
                f"loss: {self.maker} mixes classes, so the function gets a matrix of probabilities "
                "(n_samples, n_classes) where it would get a vector of classes, and with that it "
                f"raised {type(error).__name__}: {error}. Let it take such a matrix, as "
                "-(target * log(prediction)).sum(axis=1) does; or use "
                f"loss='categorical_crossentropy', or {_WITHOUT[self.maker]}."
            ) from error


def for_evaluation(objective: Objective, of_rows: bool) -> Objective:
    """`objective` as it takes classes; a user's own gets them in the form of training.

    Parameters
    ----------
    objective : callable
    of_rows : bool
        Whether it gets rows of probabilities in training.
    """
    own = not isinstance(objective, UnitByUnit) and objective not in _losses().values()
    return UnitByUnit(objective) if of_rows and own else objective


def takes_shares(objective: Objective) -> bool:
    """Whether a loss takes targets that are shares of several classes."""
    return objective is not multiclass_hinge_loss


def one_hot(labels: Any, like: Any) -> Any:
    """Integer labels as float32 rows of zeros with a one, as wide as the matrix `like`."""
    from pytensor.tensor import arange, eq

    width = like.type.shape[1]
    columns = arange(like.shape[1]) if width is None else np.arange(width, dtype="int32")
    return eq(labels.dimshuffle(0, "x"), columns).astype("float32")


def target_variable(target: TargetVariable, n_outputs: int) -> Any:
    """The symbolic target of a batch."""
    from pytensor.tensor import tensor

    if target == "classes":
        return tensor("target", dtype="int32", shape=(None,))
    return tensor("target", dtype="float32", shape=(None, n_outputs))


def sample_losses(losses: Any) -> Any:
    """One loss a sample: the mean over all other axes."""
    if getattr(losses, "ndim", 0) == 0:
        raise NetworkError(
            "loss: the function must give one loss a sample (or a unit), not their mean."
        )
    return losses if losses.ndim == 1 else losses.flatten(2).mean(axis=1)


def training_loss(objective: Objective, prediction: Any, target: Any, weights: Any | None) -> Any:
    """The mean loss of a batch; with weights, Σ wᵢ lossᵢ / n.

    Weights are brought to a mean of 1 over the training set beforehand, so that
    integer weights and repeated samples give the same expected gradient.
    """
    losses = objective(prediction, target)
    one_each = sample_losses(losses)
    return losses.mean() if weights is None else (one_each * weights).mean()


def penalty(network: Network, kind: str, strength: Any, layers: Sequence[str] | None = None) -> Any:
    """strength · Σ|w| (or Σw²) over the regularisable parameters.

    Parameters
    ----------
    network : Network
    kind : {'l1', 'l2'}
    strength : scalar, or vector with an entry for each of `layers`
    layers : sequence of str, optional
        Only these layers, each with its own strength; by default all.
    """
    import lasagne.regularization as regularization

    measure = getattr(regularization, kind)
    if layers is None:
        return strength * regularization.regularize_network_params(network.output, measure)
    terms = [
        strength[position] * regularization.regularize_layer_params(network.layers[name], measure)
        for position, name in enumerate(layers)
    ]
    return sum(terms[1:], start=terms[0])
