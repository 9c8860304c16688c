"""What a fitted network computes, layer by layer, and what is known of its layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ..kernels.magnitude import are_finite, magnitude
from ..network.explanation import Explanation, explain_model
from ..network.features import layer_names
from ..network.model import Model
from ..network.summary import Layers, network_summary
from ..network.transfer import LoadReport
from ..training.augmentation.seeding import views
from ..training.history import History
from ..validation import LARGEST_NUMBER, check_samples, check_scaled_images
from ..validation.layout import channels_first, describe
from .assembly import check_changeable
from .declared import declared_summary

__all__ = ["LayerOutputs"]


def _in_shape(
    estimator: LayerOutputs, batch: np.ndarray, input_shape: tuple[int, ...]
) -> np.ndarray:
    """Flat rows and images with their channels last as the network takes them."""
    name = type(estimator).__name__
    batch = channels_first(name, batch, estimator.data_format, input_shape)
    flat = batch.ndim == 2 and batch.shape[1] == math.prod(input_shape)
    grey = batch.ndim == 3 and (1, *batch.shape[1:]) == input_shape
    return batch.reshape(len(batch), *input_shape) if flat or grey else batch


class LayerOutputs:
    """The layers of a fitted network, and their outputs."""

    engine: str
    data_format: str
    tta: Any
    _model: Model

    # What `fit` sets: see `fitted_state`.
    classes_: np.ndarray
    feature_names_in_: np.ndarray
    history_: History
    input_scale_: float
    input_shape_: tuple[int, ...]
    load_report_: LoadReport
    loss_: float
    loss_curve_: list[float]
    n_features_in_: int
    n_iter_: int
    validation_scores_: list[float] | None

    @property
    def network_(self) -> Any:
        """The output layer, a Lasagne layer."""
        return self._fitted_model("network_").network.output

    @property
    def layers_(self) -> dict[str, Any]:
        """Every Lasagne layer by name, inputs first."""
        return Layers(self._fitted_model("layers_").network.layers)

    def get_output(self, layer: str, X: Any) -> np.ndarray:
        """The activations of any layer for X as it is, in their own shape.

        Parameters
        ----------
        layer : str
            A layer's name.
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, ...)
            float32; (n_samples, n_channels, height, width) for maps.
        """
        check_is_fitted(self)
        model = self._current_model()
        layer_names(model.network, layer, "layer")
        return model.outputs([layer], self._images(X))[0]

    def layer_function(
        self, name: str, *, check_finite: bool = True
    ) -> Callable[[Any], np.ndarray]:
        """A compiled function from a batch of images to a layer's output.

        Parameters
        ----------
        name : str
            A layer's name.
        check_finite : bool, default=True
            Whether the function refuses NaN, infinity and pixels too large for
            float32. Without the check they go through the network as any other
            number does, and NaN comes out wherever it would from NumPy's
            arithmetic; it saves a few microseconds a call.

        Returns
        -------
        callable
            Takes images of the size that was fitted, on the scale of the X that was
            fitted: of shape (n_samples, channels, height, width), with their
            channels last, or as flat rows. Gives a float32 array. It checks
            the shape, and that pixels are finite, and nothing else, so it is the
            quickest way to one answer. Errors are ValueErrors.
        """
        check_is_fitted(self)
        model = self._current_model()
        layer_names(model.network, name, "layer")
        compute, to_network, scale = model.function(name), model.to_network, model.input_scale
        input_shape: Any = model.input_shape
        if isinstance(input_shape, Mapping) or len(input_shape) != 3:
            return lambda batch: model.outputs([name], self._images(batch))[0]

        def layer_output(batch: Any) -> np.ndarray:
            given = np.asarray(batch)
            if given.shape[1:] != input_shape:
                given = _in_shape(self, given, input_shape)
            with np.errstate(over="ignore"):  # the check below sees infinity
                batch = to_network(given)
            if batch.shape[1:] != input_shape:
                raise ValueError(
                    f"layer_function({name!r}): expected images of {describe(input_shape)} "
                    f"(channels x height x width): of shape (n_samples, "
                    f"{', '.join(map(str, input_shape))}), with their channels last, or as flat "
                    f"rows of {math.prod(input_shape)} numbers; got an array of shape "
                    f"{given.shape}."
                )
            if check_finite and not are_finite(batch):
                raise ValueError(
                    f"layer_function({name!r}): the batch holds {magnitude(given):g}; pixels must "
                    f"be finite numbers of float32 (up to {LARGEST_NUMBER:g}), also when they are "
                    f"multiplied by input_scale_={scale:g}. check_finite=False lets anything "
                    "through."
                )
            return compute(batch)

        return layer_output

    def explain(
        self,
        n_samples: int = 128,
        *,
        layers: str | Sequence[str] | None = None,
        training: bool = False,
        time: bool = False,
    ) -> Explanation:
        """Say what runs for each layer of the network, and why.

        `convnet_features.inspection.explain` of this estimator: it describes the arguments and
        the `Explanation`, a list of records that shows itself as a table. `transform` and
        `predict` take slices of as many images as fit the cache, `fit` batches of
        ``batch_size``.

        Parameters
        ----------
        n_samples, layers, training, time
            As in `convnet_features.inspection.explain`.

        Returns
        -------
        Explanation

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            `n_samples` is no whole number above 0, or there is no such layer.

        See Also
        --------
        convnet_features.inspection.explain : The same of layers that were never fitted, too.
        """
        self._fitted_model("explanation")
        return explain_model(
            self._current_model(), n_samples, layers, training=training, timed=time
        )

    def summary(self) -> str:
        """The layers, their sizes and numbers of parameters, as a table of text.

        It needs no `fit` where the size of the images is known, by ``input_shape`` or by the
        input layer: an output layer that takes its number of units from y is marked then.

        Returns
        -------
        str
            It shows itself line by line, also at a prompt.

        Raises
        ------
        NotFittedError
            Before ``fit``, where nothing says how large the images are.
        NetworkError
            If the layers do not fit each other or the images.
        """
        if "_model" not in vars(self):
            return declared_summary(self)
        return network_summary(self._model.network)

    def _fitted_model(self, wanted: str) -> Model:
        if "_model" not in vars(self):
            raise NotFittedError(f"{type(self).__name__} has no {wanted} before fit.")
        return self._model

    def _current_model(self) -> Model:
        """The network, to be computed by the engine that `engine` names now."""
        self._model.compute_by(self.engine)
        return self._model

    def _images(self, X: Any) -> Any:
        images, _ = check_samples(self, X, self._model.input_shape, reset=False)
        check_scaled_images(type(self).__name__, images, self._model.input_scale)
        return images

    def _views(self) -> Sequence[Callable[[np.ndarray], np.ndarray]]:
        """The functions from images to further views of them, the same in every call."""
        model = self._model
        if self.tta is not None:
            check_changeable("tta", model.input_scale)
        return views(self.tta, model.seed or 0)
