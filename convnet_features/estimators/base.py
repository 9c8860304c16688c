"""What the three estimators share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ..kernels.registry import EngineName
from .constraints import CONSTRAINTS
from .diagram import Block, estimator_block, network_block
from .features import Features
from .fitting import Fitting
from .parameters import LayerParameters
from .predictions import Predictions
from .transfer import TransferableParameters

__all__ = ["BaseConvNet"]


class BaseConvNet(Fitting, Features, Predictions, TransferableParameters, LayerParameters):
    """A network behind scikit-learn's interface; `ConvNetFeatureExtractor` documents it."""

    #: What target="auto" stands for: 'auto', 'discrete' (classes or labels) or 'numbers'.
    _automatic_target = "auto"
    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    #: `fit_transform` takes it; scikit-learn reads requests off the signature of `fit`.
    __metadata_request__fit: ClassVar = {"cross_fit": None}

    def __init__(
        self,
        layers: Any = None,
        *,
        feature_layer: str | Sequence[str] | None = None,
        target: Literal["auto", "classes", "numbers", "labels"] = "auto",
        input_shape: tuple[int, int, int] | None = None,
        data_format: Literal["auto", "channels_first", "channels_last"] = "auto",
        input_scale: float | Literal["auto"] = "auto",
        update: str | Callable[..., Any] = "nesterov_momentum",
        update_learning_rate: float | Literal["auto"] = "auto",
        update_momentum: float = 0.9,
        loss: str | Callable[..., Any] = "auto",
        l1: float | Mapping[str, float] = 0.0,
        l2: float | Mapping[str, float] = 0.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        max_epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        shuffle: bool = True,
        validation_fraction: float | None = 0.2,
        early_stopping: bool = False,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        max_grad_norm: float | None = None,
        label_smoothing: float = 0.0,
        augment: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        tta: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        callbacks: Sequence[Any] | None = None,
        warm_start: bool = False,
        pretrained: Any = None,
        freeze: str | Sequence[str] | None = None,
        learning_rate_scale: Mapping[str, float] | None = None,
        frozen_cache_bytes: int = 2**28,
        engine: EngineName = "auto",
        random_state: Any = None,
        verbose: int = 0,
        **layer_params: Any,
    ) -> None:
        self.layers = layers
        self.feature_layer = feature_layer
        self.target = target
        self.input_shape = input_shape
        self.data_format = data_format
        self.input_scale = input_scale
        self.update = update
        self.update_learning_rate = update_learning_rate
        self.update_momentum = update_momentum
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.max_grad_norm = max_grad_norm
        self.label_smoothing = label_smoothing
        self.augment = augment
        self.tta = tta
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.pretrained = pretrained
        self.freeze = freeze
        self.learning_rate_scale = learning_rate_scale
        self.frozen_cache_bytes = frozen_cache_bytes
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self._give(layer_params)

    def _sk_visual_block_(self) -> Block:
        if self.__sklearn_is_fitted__():
            return network_block(self._model.network)
        return estimator_block(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = self._automatic_target != "discrete"
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags
