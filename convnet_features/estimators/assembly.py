"""From an estimator's parameters and checked data to a trainer and what it trains on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..network.build import Network
from ..network.features import check_feature_layer, layer_names
from ..network.inputs import Inputs
from ..network.model import Model
from ..network.on_demand import ImagesOnDemand
from ..network.pixels import fits_float32
from ..network.size import warn_if_large
from ..training.augmentation import Augmentation
from ..training.augmentation.chain import as_augment
from ..training.batches import Dataset
from ..training.defaults import automatic_batch_size, automatic_epochs, automatic_learning_rate
from ..training.freezing import check_frozen, warn_of_random
from ..training.history import History
from ..training.learning_rates import check_scales, no_rate
from ..training.objectives import Objective, resolve_loss, takes_shares
from ..training.settings import Penalty, Settings
from ..training.split import split_rows
from ..training.trainer import Trainer
from ..training.updates import resolve_update, update_arguments
from ..validation import (
    LARGEST_NUMBER,
    TrainingData,
    automatic_input_scale,
    largest_pixel,
)
from .taking_over import check_pixels, network_to_take_over
from .transfer import load_pretrained, plain_classes

__all__ = [
    "check_changeable",
    "continuing_trainer",
    "new_trainer",
    "number_of_epochs",
    "resumed_trainer",
    "training_sets",
    "whole_set",
]

_SEEDS = np.iinfo(np.int32).max


def new_trainer(estimator: Any, data: TrainingData) -> Trainer:
    """A trainer of a network with fresh parameters."""
    random = check_random_state(_seed(estimator))
    init_seed, seed = (int(each) for each in random.randint(_SEEDS, size=2))
    layers, targets = estimator._network_layers(data.input_shape), data.targets
    warn_if_large(layers, data.input_shape, targets.n_outputs, targets.kind)
    model = Model(
        layers=layers,
        input_shape=data.input_shape,
        n_outputs=targets.n_outputs,
        target=targets.kind,
        input_scale=_scale_of_new(estimator, data),
        engine=estimator.engine,
        seed=init_seed,
        classes=plain_classes(targets.known_classes),
    )
    _check_scaled(estimator, data, model.input_scale)
    check_feature_layer(model.network, estimator.feature_layer)
    settings = _settings(estimator, data, model.network)
    check_pixels(estimator, data.images)
    report = load_pretrained(estimator, model)
    frozen = _frozen(estimator, model.network, settings)
    if report is not None:
        warn_of_random(model.network, frozen, report.loaded)
    model.freeze(frozen)
    return Trainer(model, settings, seed, load_report=report)


def _frozen(estimator: Any, network: Network, settings: Settings) -> tuple[str, ...]:
    """The layers that keep their parameters: those of `freeze`, and those of no learning rate."""
    frozen = _frozen_by_name(estimator, network)
    unmoved = [name for name in no_rate(settings.scales or {}) if name not in frozen]
    if not unmoved:
        return frozen
    return check_frozen(network, (*frozen, *unmoved), "freeze, and learning_rate_scale of 0")


def _frozen_by_name(estimator: Any, network: Network) -> tuple[str, ...]:
    return check_frozen(network, estimator.freeze or ())


def _scale_of_new(estimator: Any, data: TrainingData) -> float:
    """The input_scale, which is that of a network taken over where nothing else is asked for."""
    source = network_to_take_over(estimator)
    if source is not None and estimator.input_scale == "auto":
        return float(source.input_scale)
    return _input_scale(estimator.input_scale, data)


def _seed(estimator: Any) -> Any:
    """The random_state; where it is None, the seed of the training that a checkpoint continues."""
    if estimator.random_state is not None:
        return estimator.random_state
    keepers = (getattr(each, "kept_seed", None) for each in estimator.callbacks or ())
    kept = (keeper() for keeper in keepers if keeper is not None)
    return next((seed for seed in kept if seed is not None), None)


def resumed_trainer(estimator: Any, trainer: Trainer, data: TrainingData) -> Trainer:
    """`trainer`, with the estimator's present parameters, once `data` is sure to suit it."""
    model = trainer.model
    known = model.input_shape, model.target, model.n_outputs
    if known != (data.input_shape, data.targets.kind, data.targets.n_outputs):
        raise ValueError(
            f"warm_start=True goes on with a network for images of {model.input_shape} and "
            f"{model.n_outputs} outputs; X and y have {data.input_shape} and "
            f"{data.targets.n_outputs}. Set warm_start=False to begin anew."
        )
    _check_same_network(estimator, model, data)
    _check_scaled(estimator, data, model.input_scale)
    settings = _settings(estimator, data, model.network, trainer.settings.batch_size)
    trainer.freeze(_frozen(estimator, model.network, settings))
    trainer.reconfigure(settings)
    return trainer


def continuing_trainer(estimator: Any, data: TrainingData) -> Trainer:
    """A trainer that goes on with a fitted estimator's network; its update rule begins anew."""
    random = check_random_state(estimator.random_state)
    # The third: an order of samples of its own.
    seed = int(random.randint(_SEEDS, size=3)[2])
    model, history = estimator._model, History(estimator.history_)
    trainer = Trainer(model, _settings(estimator, data, model.network), seed, history=history)
    return resumed_trainer(estimator, trainer, data)


def _check_same_network(estimator: Any, model: Model, data: TrainingData) -> None:
    """Raise if training cannot go on with the present parameters."""
    check_feature_layer(model.network, estimator.feature_layer)
    declared = estimator._network_layers(data.input_shape)
    changed = "layers" if isinstance(model.layers, list) and declared != model.layers else None
    if estimator.target not in ("auto", model.target):
        changed = changed or "target"
    if estimator.input_scale != "auto":
        scale = _input_scale(estimator.input_scale, data)
        changed = changed if scale == model.input_scale else "input_scale"
    if changed:
        raise ValueError(
            f"{changed}: training goes on with the network that was fitted, and the parameters "
            "now say another one. Put them back, or begin anew with fit and warm_start=False."
        )


def training_sets(
    estimator: Any, data: TrainingData, trainer: Trainer
) -> tuple[Dataset, Dataset | None]:
    """What to train on, and to validate with: X_val, or rows held out by the trainer's seed."""
    targets = data.targets
    validation: Dataset | None
    if data.validation is not None:
        images, known = data.validation
        validation = Dataset(images, known.values, None, np.arange(len(images)))
        rows = np.arange(len(data))
    else:
        rows, held_out = split_rows(
            targets.values, targets.kind, estimator.validation_fraction, trainer.seed
        )
        validation = Dataset(data.images, targets.values, None, held_out) if len(held_out) else None
    weights = _relative(data.weights, rows)
    return Dataset(data.images, targets.values, weights, rows), validation


def whole_set(data: TrainingData) -> Dataset:
    """All of `data` to train on, each sample with exactly the weight that it was given.

    Raises
    ------
    ValueError
        If a weight is too large for float32.
    """
    if data.weights is not None and data.weights.max() > LARGEST_NUMBER:
        raise ValueError(
            f"sample_weight: a sample weighs {data.weights.max():g}; partial_fit uses weights as "
            f"they are, in float32, whose numbers end at {LARGEST_NUMBER:g}. Divide them."
        )
    weights = None if data.weights is None else data.weights.astype(np.float32)
    return Dataset(data.images, data.targets.values, weights, np.arange(len(data)))


def number_of_epochs(estimator: Any, trainer: Trainer, training: Dataset) -> int:
    """max_epochs, or what suits the number of training samples."""
    if estimator.max_epochs == "auto":
        return automatic_epochs(len(training), trainer.settings.batch_size)
    return int(estimator.max_epochs)


def _input_scale(input_scale: Any, data: TrainingData) -> float:
    if input_scale == "auto":
        return automatic_input_scale(data.images, data.weights)
    scale = float(input_scale)
    if 0.0 < largest_pixel(data.images) * scale < float(np.finfo(np.float32).tiny):
        raise ValueError(
            f"input_scale={input_scale!r} makes nothing of X, whose largest pixel is "
            f"{largest_pixel(data.images):g}: the product is too small for float32; give a larger "
            "one."
        )
    return scale


def _check_scaled(estimator: Any, data: TrainingData, scale: float) -> None:
    """Raise if pixels are no numbers of float32 where a network, or an augmentation, meets them."""
    data.check_scaled(type(estimator).__name__, scale)
    for name in ("augment", "tta"):
        if getattr(estimator, name) is not None:
            if isinstance(data.images, Inputs):
                raise ValueError(
                    f"{name} changes images, and X is the inputs of another network; leave it out."
                )
            check_changeable(name, scale)


def _check_white(augment: Augmentation | None, tta: Any, data: TrainingData) -> None:
    """Raise if augmentations cannot tell from all of X which value is white.

    A dark batch would be brightened on another scale than a bright one.
    """
    if isinstance(data.images, ImagesOnDemand | Inputs):  # bytes, all of them; or no images
        return
    views = tta if isinstance(tta, list | tuple) else [tta]
    for each in (augment, *(as_augment(view, "tta") for view in views if view is not None)):
        if each is not None:
            each._check_white(data.images)


def check_changeable(name: str, scale: float) -> None:
    """Raise if float32 does not hold unscaled pixels, as an augmentation gets them."""
    if not fits_float32(scale):
        raise ValueError(
            f"{name} changes pixels as float32 before they are multiplied by input_scale={scale:g}"
            ", and those of X are too small for that: multiply X by a number."
        )


def _settings(
    estimator: Any, data: TrainingData, network: Network, batch_size: int | None = None
) -> Settings:
    """The parameters about training; `batch_size` is what 'auto' was resolved to before."""
    chosen = estimator.batch_size
    if chosen == "auto":
        n_training = max(1, round(len(data) * (1 - (estimator.validation_fraction or 0.0))))
        chosen = batch_size or automatic_batch_size(n_training)
    kind = data.targets.kind
    objective = resolve_loss(estimator.loss, kind)
    if estimator.label_smoothing and kind == "numbers":
        raise ValueError(
            f"label_smoothing={estimator.label_smoothing!r} needs classes or labels; y holds "
            "numbers."
        )
    augment = None if estimator.augment is None else as_augment(estimator.augment)
    _check_white(augment, estimator.tta, data)
    _check_shares(estimator, objective, augment)
    rule = resolve_update(estimator.update)
    given = estimator._update_params()
    if given["learning_rate"] == "auto":
        given["learning_rate"] = automatic_learning_rate(rule, kind)
    defaulted = [name for name in given if f"update_{name}" in estimator._settings()]
    return Settings(
        objective=objective,
        rule=rule,
        arguments=update_arguments(rule, given, defaulted),
        batch_size=int(chosen),
        shuffle=estimator.shuffle,
        l1=_penalty("l1", estimator.l1, network),
        l2=_penalty("l2", estimator.l2, network),
        max_norm=None if estimator.max_grad_norm is None else float(estimator.max_grad_norm),
        label_smoothing=float(estimator.label_smoothing),
        augment=augment,
        front_bytes=int(estimator.frozen_cache_bytes),
        scales=_scales(estimator, network),
    )


def _check_shares(estimator: Any, objective: Objective, augment: Augmentation | None) -> None:
    """Raise if the loss takes no targets that are shares of several classes."""
    if takes_shares(objective):
        return
    mixing = augment is not None and augment._mixes
    if mixing or estimator.label_smoothing:
        maker = "augment mixes" if mixing else "label_smoothing mixes"
        raise ValueError(
            f"{maker} classes, and loss={estimator.loss!r} compares one right class with the "
            "others; use loss='categorical_crossentropy'."
        )


def _penalty(name: str, value: Any, network: Network) -> Penalty:
    """One strength, or a dict of them by layer."""
    if not isinstance(value, Mapping):
        return float(value)
    if not value:
        return 0.0
    layer_names(network, list(value), name)
    return {layer: float(strength) for layer, strength in value.items()}


def _scales(estimator: Any, network: Network) -> dict[str, float] | None:
    """The factors of `learning_rate_scale` by layer."""
    given = estimator.learning_rate_scale
    return check_scales(network, given, _frozen_by_name(estimator, network)) if given else None


def _relative(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """Weights with a mean of 1 over the training rows; None where all of them are equal.

    The mean weighted loss of a batch is then, on average over batches, the loss with
    samples repeated as often as they weigh. The learning rate means the same as it
    does without weights.
    """
    if weights is None or np.ptp(weights[rows]) == 0:
        return None
    relative = weights / weights[rows].max()  # the sum of very large ones may be infinite
    with np.errstate(over="ignore"):  # of rows that are held out, whose weights nobody asks for
        return (relative / relative[rows].mean()).astype(np.float32)
