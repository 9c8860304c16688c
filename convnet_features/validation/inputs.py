"""X as the inputs of a network that is no network of images: several, or sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from scipy.sparse import issparse

from ..network.inputs import Inputs, InputShape, check_input_names
from ..network.on_demand import ImagesOnDemand
from .images import check_finite, check_images

__all__ = ["check_samples"]

#: (channels, height, width)
_IMAGE = 3


def check_samples(
    estimator: Any, X: Any, input_shape: InputShape | None, *, reset: bool
) -> tuple[np.ndarray | ImagesOnDemand | Inputs, Any]:
    """X as images, or as the inputs that the layers declare.

    Parameters
    ----------
    estimator : BaseConvNet
        Whose layers say what inputs there are.
    X : array-like; or mapping, DataFrame or tuple of them
        Of several inputs, an array for each: by the names of their layers, or, in a
        tuple, in the order of these.
    input_shape : tuple, mapping or None
        That of a fitted network; in `fit`, what the user asks for.
    reset : bool
        True in `fit`.

    Returns
    -------
    images : ndarray, ImagesOnDemand or Inputs
    input_shape : tuple, or dict of tuples
        That of one sample, of images or of a single other input; else of each input.

    Raises
    ------
    ValueError
        If X is not what it must be. It is a NetworkError where an input lacks or is too
        much.
    """
    name = type(estimator).__name__
    if isinstance(X, np.ndarray) and not reset and _is_image(input_shape):
        return check_images(estimator, X, input_shape, reset=False)  # the quickest way to one
    declared = input_shape if not reset else estimator._declared_inputs()
    X = _alone(X, declared)
    if not _takes_inputs(X, declared) and not (reset and estimator._takes_sequences()):
        return check_images(estimator, X, input_shape, reset=reset)  # type: ignore[arg-type]
    shapes = declared if isinstance(declared, Mapping) else {"input": declared}
    if reset:
        vars(estimator).pop("n_features_in_", None)  # of an earlier fit, to images
    inputs = Inputs(_arrays(name, X, shapes))
    if len(inputs.arrays) > 1 and len(shapes) == 1 and estimator.layers is None:
        raise ValueError(
            f"{name}: X has {len(inputs.arrays)} inputs, and the default network takes images; "
            "give layers with an InputLayer for each."
        )
    found = {name: _shape(name, inputs.shapes[name], shapes.get(name)) for name in inputs.arrays}
    return inputs, found if len(found) > 1 else next(iter(found.values()))


def _is_image(shape: InputShape | None) -> TypeGuard[tuple[int, int, int]]:
    return isinstance(shape, tuple) and len(shape) == _IMAGE


def _alone(X: Any, declared: Any) -> Any:
    """The array of a dictionary that holds one, where the network has one input."""
    if not _is_mapping(X) or len(X) != 1:
        return X
    names = list(declared) if isinstance(declared, Mapping) else ["input"]
    return X[names[0]] if list(X) == names else X


def _is_mapping(X: Any) -> bool:
    """Whether X holds arrays by name; SciPy's dictionaries of keys are matrices."""
    return isinstance(X, Mapping) and not issparse(X)


def _takes_inputs(X: Any, declared: Any) -> bool:
    """Whether X is not to be read as images: layers of several inputs, or of another rank."""
    if isinstance(X, Inputs) or (_is_mapping(X) and len(X) > 1):
        return True
    shapes = list(declared.values()) if isinstance(declared, Mapping) else [declared]
    return len(shapes) > 1 or any(each is not None and len(each) != _IMAGE for each in shapes)


def _arrays(name: str, X: Any, shapes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    names = list(shapes)
    given: Mapping[str, Any]
    if _is_mapping(X) or isinstance(X, Inputs):
        given = X.arrays if isinstance(X, Inputs) else X
        if len(names) == 1 and shapes[names[0]] is None and names[0] not in given:
            names = list(given)  # layers that are a function say nothing of inputs
        check_input_names(given, names)
    elif len(names) == 1:
        given = {names[0]: X}
    elif hasattr(X, "columns"):
        check_input_names(dict.fromkeys(X.columns.get_level_values(0)), names)
        given = {each: X[each] for each in names}
    elif isinstance(X, tuple) and len(X) == len(names):
        given = dict(zip(names, X, strict=True))
    else:
        count = f"a tuple of {len(X)}" if isinstance(X, tuple) else "one array"
        listed = ", ".join(map(repr, names))
        raise ValueError(
            f"{name}: X is {count}, and the network has {len(names)} inputs ({listed}); give a "
            "dictionary with an array for each, a DataFrame with columns of these names, or a "
            "tuple of arrays in this order."
        )
    return {each: _numbers(name, each, given[each]) for each in names}


def _numbers(name: str, key: str, values: Any) -> np.ndarray:
    """An input's values as an array of numbers, of one row a sample."""
    what = f"X[{key!r}]"
    array = np.asarray(values)
    if array.dtype == object and array.ndim == 1 and len(array):
        try:
            array = np.stack([np.asarray(each) for each in array])  # cells that hold arrays
        except ValueError as error:
            raise ValueError(
                f"{name}: {what} holds arrays of several shapes ({error}); fill them up to one "
                "length, and give a mask as another input."
            ) from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: {what} has dtype {array.dtype}; give numbers.")
    if not len(array):
        raise ValueError(f"{name}: {what} has 0 samples, and a minimum of 1 is required.")
    if array.dtype.kind == "f":
        check_finite(name, what, array)
    return array[:, np.newaxis] if array.ndim == 1 else array


def _shape(
    name: str, given: tuple[int, ...], declared: tuple[int | None, ...] | None
) -> tuple[Any, ...]:
    """The shape of a sample: as declared, where sizes that are None may be any."""
    if declared is None:
        return given
    fits = len(given) == len(declared) and all(
        size in (None, other) for size, other in zip(declared, given, strict=True)
    )
    if not fits:
        raise ValueError(
            f"X: input {name!r} has samples of shape {given}; the network takes {tuple(declared)}."
        )
    return tuple(declared)
