"""Parameters of estimators: saved, loaded, and taken over from others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .network.model import Model
from .network.transfer import LoadReport, load_values
from .persistence import read_arrays, read_pickled_arrays, write_arrays

__all__ = ["TransferableParameters", "load_pretrained"]


class TransferableParameters:
    """`save_params` and `load_params`, for estimators that hold a model."""

    def save_params(self, path: str | os.PathLike[str]) -> None:
        """Write the network's parameters to a safetensors file.

        The file holds arrays under ``<layer>.<parameter>`` (``conv2d1.W``), the
        running averages of batch normalisation included, and can be read by any
        safetensors library. It is replaced at once, or not at all.

        Parameters
        ----------
        path : str or path-like

        See Also
        --------
        load_params : Read them back, into this network or another.
        """
        check_is_fitted(self)
        model: Model = self._model  # type: ignore[attr-defined]
        notes = {
            "kind": "parameters",
            "input_shape": list(model.input_shape),
            "n_outputs": model.n_outputs,
            "target": model.target,
        }
        write_arrays(path, model.named_values, notes)

    def load_params(self, source: Any, *, unsafe_pickle: bool = False) -> LoadReport:
        """Take over parameters that have the same layer's name and the same shape.

        A fitted estimator's network changes at once. Either way, every later
        `fit` begins with these parameters in the place of random ones; what it
        took is in ``load_report_``. A clone knows nothing of them: to carry
        parameters through a grid search, use ``pretrained=``.

        Parameters
        ----------
        source : fitted estimator, path, or mapping of str to ndarray
            Arrays of the parameters' own shapes, by ``<layer>.<parameter>``. A
            path leads to a file of `save_params`, or of a
            `~convnet_features.callbacks.Checkpoint`.
        unsafe_pickle : bool, default=False
            Read the file as a pickle of nolearn's ``save_params_to``. Reading
            a pickle runs whatever its author wrote: only for files you trust.

        Returns
        -------
        LoadReport
            What was taken, and what was not.

        Raises
        ------
        FileFormatError
            If the file is none of the kind.
        NotFittedError
            If neither this estimator nor the source says what images the
            network is for.
        """
        arrays, model = _parameters_of(source, unsafe_pickle)
        mine: Model | None = getattr(self, "_model", None)
        if mine is None:
            if model is None:
                raise NotFittedError(
                    f"{type(self).__name__} is not fitted and the source does not say what images "
                    "its network is for: fit first, or give pretrained=source."
                )
            mine = self._provisional_model(model)
        report = load_values(mine, arrays)
        self._loaded = arrays
        return report

    def _provisional_model(self, other: dict[str, Any]) -> Model:
        """An untrained network of this estimator's layers, for another's images and outputs."""
        from ._assembly import network_layers

        input_shape = tuple(other["input_shape"])
        return Model(
            layers=network_layers(self, input_shape),
            input_shape=input_shape,
            n_outputs=other["n_outputs"],
            target=other["target"],
        )


def load_pretrained(estimator: Any, model: Model) -> LoadReport | None:
    """Put into a new model what the estimator was told to begin with, if anything."""
    arrays = getattr(estimator, "_loaded", None)
    if estimator.pretrained is not None:
        arrays, _ = _parameters_of(estimator.pretrained, unsafe_pickle=False)
    if arrays is None:
        return None
    report = load_values(model, arrays)
    if not report.loaded:
        raise ValueError(f"None of the parameters to begin with belongs to this network.\n{report}")
    return report


def _parameters_of(
    source: Any, unsafe_pickle: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """Arrays by name (copies), and what they say of the network's images and outputs."""
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    if isinstance(source, Mapping):
        return {name: np.array(value) for name, value in source.items()}, None
    if isinstance(source, str | os.PathLike):
        if unsafe_pickle:
            return read_pickled_arrays(source), None
        arrays, notes = read_arrays(source)
        known = notes if isinstance(notes, dict) and "input_shape" in notes else None
        return {k: v for k, v in arrays.items() if "/" not in k}, known
    model = getattr(source, "_model", None)
    if not isinstance(model, Model):
        raise ValueError(
            f"Parameters come from a fitted estimator, a path or a mapping; got {source!r}. "
            "A clone of a fitted estimator is not fitted: wrap it in "
            "sklearn.frozen.FrozenEstimator to have it survive a grid search."
        )
    arrays = {name: value.copy() for name, value in model.named_values.items()}
    notes = {
        "input_shape": model.input_shape,
        "n_outputs": model.n_outputs,
        "target": model.target,
    }
    return arrays, notes
