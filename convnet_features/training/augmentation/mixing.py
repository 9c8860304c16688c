"""Augmentations that make one image of two, and mix what is learnt of them alike."""

from __future__ import annotations

import copy
from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from ...intervals import Number
from ...kernels.memory import empty
from ..batches import Batch
from .base import Augmentation, in_dtype, of_shape

__all__ = ["CutMix", "MixUp", "mixed_targets"]


class Mixing(Augmentation):
    """An augmentation that gives each image a share of another one of its batch.

    Parameters
    ----------
    alpha : float, default=1.0
        The shares are drawn from the distribution Beta(alpha, alpha).
    """

    on_bytes: bool = True
    _mixes: bool = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Number(Real, 0, None, closed="neither")]
    }

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), mixed; of targets see `fit`."""
        return in_dtype(self._mixed(images, random)[0], images.dtype)

    @property
    def _keeps_white(self) -> bool:
        return type(self).__call__ is Mixing.__call__

    def _change(self, batch: Batch, random: np.random.Generator) -> Batch:
        mix = self._mixed if type(self).__call__ is Mixing.__call__ else self._mixed_by_call
        images, partners, shares = mix(self._as_taken(batch.images), random)
        targets, weights = mixed_targets(batch.targets, batch.weights, partners, shares)
        return Batch(images, targets, weights)

    def _mixed(
        self, images: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The images, the number of each one's partner, and each one's own share."""
        self._validate_params()
        partners = _partners(len(images), random)
        shares = random.beta(self.alpha, self.alpha, size=len(images))
        mixed, shares = self._mix(images, partners, shares, random)
        return mixed, partners, shares

    def _mixed_by_call(
        self, images: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same, of a subclass with a `__call__` of its own, which calls this class's."""
        noted: list[tuple[np.ndarray, np.ndarray]] = []

        def noting(*args: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            mixed, partners, shares = self._mixed(*args)
            noted.append((partners, shares))
            return mixed, partners, shares

        caller = copy.copy(self)
        caller._mixed = noting  # type: ignore[assignment, method-assign]
        changed = of_shape(caller(images, random), images.shape)
        if [len(partners) for partners, _ in noted] != [len(images)]:
            name = type(self).__name__
            raise ValueError(
                f"augment: the __call__ of {name} must call super().__call__ once, with the whole "
                "batch: what is mixed there decides what is learnt. Derive it from Augmentation "
                "instead if nothing is to be mixed."
            )
        return changed, *noted[0]

    @abstractmethod
    def _mix(
        self,
        images: np.ndarray,
        partners: np.ndarray,
        shares: np.ndarray,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images of which `shares` are their own, not rounded, and what the shares have become."""


def _partners(count: int, random: np.random.Generator) -> np.ndarray:
    """The next of each in a circle of random order: nobody is their own, unless they are alone."""
    circle = random.permutation(count)
    partners = circle.copy()
    partners[circle] = np.roll(circle, 1)
    return partners


class MixUp(Mixing):
    """Blend each image with another one of its batch, and what is learnt of them alike.

    Parameters
    ----------
    alpha : float, default=1.0
        Each image's own share is drawn from the distribution Beta(alpha, alpha):
        1 is uniform, 0.2 leaves most images nearly as they are.

    Notes
    -----
    With a share λ of its own, an image becomes λ · image + (1 - λ) · partner, and its target
    becomes the same mixture: of classes, rows of probabilities; of labels, shares; of numbers,
    their weighted mean. Sample weights and class weights stay with the targets that they belong
    to: the loss of a mixed sample of weights w and w' is λ w loss(target) + (1 - λ) w' loss(target
    of the partner), where a loss is linear in its target, as cross-entropies are. The training
    loss in ``history_`` is that of the mixtures; the validation loss is of images as they are.

    References
    ----------
    Zhang, Cissé, Dauphin and Lopez-Paz (2018), "mixup: Beyond empirical risk minimization", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> black, white = np.zeros((1, 2, 2)), np.ones((1, 2, 2))
    >>> grey = MixUp()(np.stack([black, white]), np.random.default_rng(1))
    >>> grey[:, 0, 0, 0].round(2)
    array([0.57, 0.04])
    """

    def _mix(
        self,
        images: np.ndarray,
        partners: np.ndarray,
        shares: np.ndarray,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        real = np.result_type(images, np.float32)
        mixed = empty(images.shape, real)
        for k, share in enumerate(shares.astype(real)):
            partner = images[partners[k]].astype(real)
            result = np.subtract(images[k], partner, out=mixed[k])
            result *= share
            result += partner
        return mixed, shares


class CutMix(Mixing):
    """Paste a rectangle of another image of the batch into each, and mix what is learnt by area.

    Parameters
    ----------
    alpha : float, default=1.0
        Each image's own share is drawn from the distribution Beta(alpha, alpha);
        1 is uniform.

    Notes
    -----
    The rectangle has the image's proportions and its centre anywhere, so part of it may lie
    outside; what is left of it decides the share, as in `torchvision.transforms.v2.CutMix`.
    Targets and weights are mixed as `MixUp` does.

    References
    ----------
    Yun et al. (2019), "CutMix: Regularization strategy to train strong classifiers with
    localizable features", ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> black, white = np.zeros((1, 4, 4)), np.ones((1, 4, 4))
    >>> CutMix()(np.stack([black, white]), np.random.default_rng(1))[0, 0]
    array([[0., 0., 0., 0.],
           [0., 1., 1., 0.],
           [0., 1., 1., 0.],
           [0., 0., 0., 0.]])
    """

    def _mix(
        self,
        images: np.ndarray,
        partners: np.ndarray,
        shares: np.ndarray,
        random: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        sides = images.shape[2:]
        half = 0.5 * np.sqrt(1 - shares)
        (top, bottom), (left, right) = (
            _within(random.integers(0, side, size=len(images)), (half * side).astype(int), side)
            for side in sides
        )
        mixed = images.copy()
        for k, partner in enumerate(partners):
            rectangle = np.s_[:, top[k] : bottom[k], left[k] : right[k]]
            mixed[k][rectangle] = images[partner][rectangle]
        return mixed, 1 - (bottom - top) * (right - left) / (sides[0] * sides[1])


def _within(centre: np.ndarray, half: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where intervals begin and end, of which what lies outside is cut off."""
    return np.maximum(centre - half, 0), np.minimum(centre + half, side)


def mixed_targets(
    targets: np.ndarray, weights: np.ndarray | None, partners: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets of which `shares` are their own, and weights that have them count as before.

    Each of the two targets counts with its share times the weight of the sample that it is of.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,), or None
    partners : ndarray of int, of shape (n_samples,)
    shares : ndarray of shape (n_samples,)

    Returns
    -------
    targets : ndarray of shape (n_samples, n_outputs)
        float32.
    weights : ndarray of shape (n_samples,), or None
        float32.
    """
    own, total = shares, None
    if weights is not None:
        known = weights.astype(np.float64)
        own = shares * known
        total = own + (1 - shares) * known[partners]
        own = np.divide(own, total, out=shares.copy(), where=total > 0)
    mixed = targets[partners] + own[:, None] * (targets - targets[partners])
    return mixed.astype(np.float32), None if total is None else total.astype(np.float32)
