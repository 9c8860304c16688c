"""Parameters that no signature lists: those of the layers, and of any update rule."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

from sklearn.base import BaseEstimator

from .exceptions import NetworkError
from .network.presets import seed_network
from .network.spec import LayerSpec, parse_layers, with_parameters

__all__ = ["LayerParameters"]


class LayerParameters(BaseEstimator):
    """An estimator whose parameters include ``<layer>_<argument>`` and ``update_<argument>``.

    scikit-learn reads parameters off the signature of ``__init__``, which does
    not list these. Here every other public attribute without a trailing
    underscore is one.
    """

    layers: Any

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Parameters that a pickle does not know yet have their defaults."""
        declared = inspect.signature(type(self).__init__).parameters
        defaults = {name: declared[name].default for name in self._get_param_names()}
        super().__setstate__({**defaults, **state})

    def _undeclared_params(self) -> dict[str, Any]:
        declared = self._get_param_names()
        return {
            key: value
            for key, value in vars(self).items()
            if key not in declared and not key.startswith("_") and not key.endswith("_")
        }

    def _layer_params(self) -> dict[str, Any]:
        return without_update_params(self._undeclared_params())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those of the layers and of the update rule included.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        dict
        """
        return {**super().get_params(deep=deep), **self._undeclared_params()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name: ``set_params(conv2d1_num_filters=64, update_momentum=0.95)``.

        Returns
        -------
        self

        Raises
        ------
        NetworkError
            If a parameter is none of the estimator's, the update rule's or the
            layers'; the text names the nearest. Nothing is set then.
        """
        declared = set(self._get_param_names())
        own = {key: value for key, value in params.items() if key.partition("__")[0] in declared}
        undeclared = {key: value for key, value in params.items() if key not in own}
        specs = _readable(own.get("layers", self.layers)) if undeclared else None
        if specs is not None:
            self._check(specs, {**self._undeclared_params(), **undeclared})
        super().set_params(**own)
        for key, value in undeclared.items():
            setattr(self, key, value)
        return self

    def _check(self, specs: list[LayerSpec], undeclared: Mapping[str, Any]) -> None:
        try:
            with_parameters(specs, without_update_params(undeclared), self._get_param_names())
        except NetworkError as error:
            declared = ", ".join(self._get_param_names())
            raise NetworkError(
                f"{error} {type(self).__name__}'s own parameters are {declared}."
            ) from None


def without_update_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` without those of the update rule."""
    return {key: value for key, value in params.items() if not key.startswith("update_")}


def _readable(layers: Any) -> list[LayerSpec] | None:
    """The layers where they can be read; `fit` says what is wrong where they cannot."""
    if layers is None:
        # The names and arguments of the seed network's layers are the same for every size.
        return seed_network((1, 28, 28))
    try:
        return None if callable(layers) else parse_layers(layers)
    except NetworkError:
        return None
