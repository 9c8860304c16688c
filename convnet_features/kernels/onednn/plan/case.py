"""What candidates are asked about: a convolution or a dense layer, on a machine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ...contract import Conv2DSpec, ConvStage, DenseStage, PoolStage
from ...jit.geometry import Geometry, Layout
from ...jit.winograd_transform import Tiling
from ...machine import Machine
from . import thresholds

__all__ = ["Case", "DenseCase"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class DenseCase:
    """A dense layer that something is to be chosen for, on a machine.

    Parameters
    ----------
    dense : DenseStage
    n_samples : int
    w_shape : tuple of int
        Inputs and units.
    training : bool
    machine : Machine
    """

    dense: DenseStage
    n_samples: int
    w_shape: Shape
    training: bool
    machine: Machine


@dataclass(frozen=True)
class Case:
    """A convolution that something is to be chosen for, on a machine.

    Parameters
    ----------
    conv : ConvStage
    pool : PoolStage or None
        The pooling that alone reads its results, if there is one.
    x_shape, w_shape : tuple of int
        Of images and filters.
    training : bool
    machine : Machine
    """

    conv: ConvStage
    pool: PoolStage | None
    x_shape: Shape
    w_shape: Shape
    training: bool
    machine: Machine

    @property
    def spec(self) -> Conv2DSpec:
        """The convolution's numbers."""
        return self.conv.conv

    @property
    def taps(self) -> Shape:
        """Rows and columns of a filter."""
        return self.w_shape[2:]

    @property
    def y_shape(self) -> Shape:
        """Of the convolved images."""
        return self.spec.output_shape(self.x_shape, self.w_shape)

    @property
    def work(self) -> int:
        """How many multiplications the sum of products has, in training as many times as counts."""
        times = thresholds.IN_TRAINING if self.training else 1
        return times * math.prod(self.w_shape[1:]) * math.prod(self.y_shape)

    @property
    def geometry(self) -> Geometry:
        """Of the convolution and its max pooling."""
        assert self.pool is not None
        count, _, *taps = self.w_shape
        filters: tuple[int, int, int] = (count, *taps)  # type: ignore[assignment]
        return Geometry(self.spec, self.pool.pool, self._image, filters, self.machine.lanes)

    @property
    def is_joined(self) -> bool:
        """Is the pooling one whose windows are tiles, with nothing but a rectify beside it?"""
        if self.pool is None:
            return False
        spec, (*_, height, width) = self.pool.pool, self.y_shape
        return (
            spec.mode == "max"
            and spec.window == spec.stride == (2, 2)
            and not any(spec.padding)
            and spec.output_shape(self.y_shape)[2:] == (height // 2, width // 2)
            and {self.conv.activation, self.pool.activation} <= {"linear", "rectify"}
        )

    @property
    def tiling(self) -> Tiling:
        """Of Winograd's algorithm, for images in blocks: its memory depends on no layout."""
        count, _, *taps = self.w_shape
        filters: tuple[int, int, int] = (count, *taps)  # type: ignore[assignment]
        lanes = self.machine.lanes
        return Tiling(
            self._image,
            filters,
            self.spec.padding,
            Layout.blocked(self.x_shape, lanes),
            Layout.blocked(self.y_shape, lanes),
            self.is_joined,
            self.conv.bias,
            False,
            self.training,
        )

    @property
    def _image(self) -> tuple[int, int, int]:
        _, channels, height, width = self.x_shape
        return channels, height, width

    def of_filters(self) -> Case:
        """The convolution as the gradient by its filters sees it."""
        return replace(self, conv=replace(self.conv, activation="linear"), pool=None)

    def of_images(self) -> Case:
        """The convolution of the results' gradients that is the gradient by the images."""
        count, channels, *taps = self.w_shape
        padding = tuple(
            (n - 1 - before, n - 1 - after)
            for n, (before, after) in zip(taps, self.spec.padding, strict=True)
        )
        turned = replace(self.spec, padding=padding)  # type: ignore[arg-type]
        return replace(
            self,
            conv=ConvStage(turned, bias=False),
            pool=None,
            x_shape=self.y_shape,
            w_shape=(channels, count, *taps),
        )
