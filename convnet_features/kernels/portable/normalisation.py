"""Batch normalisation: statistics and affine maps, channel by channel.

Images are taken as a matrix with a row for each pixel and a column for each
channel, and walked in blocks that stay in a core's cache. Sums are taken block
by block and added up in double precision.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..memory import empty, empty_like
from .threads import compute_parts, split

__all__ = ["affine", "normalise", "normalise_gradient"]

#: Numbers in a block: half a megabyte of float32.
BLOCK = 1 << 17
#: Numbers below which threads cost more than they bring.
MIN_PARALLEL = 1 << 18


def normalise(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float, rectify: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y = gamma · (x - mean) · inv_std + beta, with the batch's own statistics.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_channels) or (n_samples, n_channels, height, width)
    gamma, beta : ndarray of shape (n_channels,)
    epsilon : float
        inv_std is 1 / sqrt(variance + epsilon).
    rectify : bool
        Negative results become 0.

    Returns
    -------
    y : ndarray of the shape of x
    mean, inv_std : ndarray of shape (n_channels,)
    """
    rows = _as_rows(x)
    mean = _summed(rows, lambda block: _column_sums(rows[block])) / len(rows)
    mean = mean.astype(x.dtype)

    def squares(block: slice) -> np.ndarray:
        centred = rows[block] - mean
        centred *= centred
        return _column_sums(centred)

    variance = _summed(rows, squares) / len(rows)
    inv_std = (1 / np.sqrt(variance + epsilon)).astype(x.dtype)
    scale = gamma * inv_std
    y = _affine(rows, scale, beta - mean * scale, rectify)
    return _as_images(y, x.shape), mean, inv_std


def affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, rectify: bool) -> np.ndarray:
    """y = scale · x + shift, channel by channel; negative results become 0 if `rectify`."""
    return _as_images(_affine(_as_rows(x), scale, shift, rectify), x.shape)


def normalise_gradient(
    x: np.ndarray,
    gamma: np.ndarray,
    mean: np.ndarray,
    inv_std: np.ndarray,
    y: np.ndarray,
    gy: np.ndarray,
    rectify: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `normalise` with respect to x, gamma and beta.

    With n pixels a channel and h = (x - mean) · inv_std::

        gbeta = Σ gy,  ggamma = Σ gy · h
        gx = gamma · inv_std · (gy - gbeta / n - h · ggamma / n)

    where gy counts only where y > 0, if the results were rectified.
    """
    rows, n_channels = _as_rows(x), x.shape[1]
    given, made = _as_rows(gy), _as_rows(y) if rectify else None
    gx = empty_like(rows)

    def sums(block: slice) -> np.ndarray:
        out = gx[block]
        if made is None:
            np.copyto(out, given[block])
        else:
            np.multiply(given[block], made[block] > 0, out=out)
        product = rows[block] - mean
        product *= out
        return np.concatenate([_column_sums(out), _column_sums(product)])

    totals = _summed(rows, sums)
    gbeta, ggamma = totals[:n_channels], totals[n_channels:] * inv_std
    scale = gamma * inv_std
    slope = -(scale * inv_std * ggamma / len(rows)).astype(x.dtype)
    offset = (-scale * gbeta / len(rows) - slope * mean).astype(x.dtype)

    def finish(block: slice) -> None:
        out = gx[block]
        out *= scale
        along = rows[block] * slope
        along += offset
        out += along

    _for_each_block(rows, finish)
    return _as_images(gx, x.shape), ggamma.astype(x.dtype), gbeta.astype(x.dtype)


def _affine(rows: np.ndarray, scale: np.ndarray, shift: np.ndarray, rectify: bool) -> np.ndarray:
    y = empty_like(rows)

    def compute(block: slice) -> None:
        out = np.multiply(rows[block], scale, out=y[block])
        out += shift
        if rectify:
            np.maximum(out, 0, out=out)

    _for_each_block(rows, compute)
    return y


def _as_rows(x: np.ndarray) -> np.ndarray:
    """A matrix with a column for each channel: a view of channels-last images, or a copy."""
    if x.ndim == 2:
        return np.ascontiguousarray(x)
    pixels = x.transpose(0, 2, 3, 1)
    if not pixels.flags.c_contiguous:
        given, pixels = pixels, empty(pixels.shape, pixels.dtype)
        samples = split(len(x)) if x.size >= MIN_PARALLEL else [slice(None)]
        compute_parts(
            lambda part: np.copyto(pixels[samples[part]], given[samples[part]]), len(samples)
        )
    return pixels.reshape(-1, x.shape[1])


def _as_images(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 2:
        return rows
    n_samples, n_channels, height, width = shape
    return rows.reshape(n_samples, height, width, n_channels).transpose(0, 3, 1, 2)


def _column_sums(block: np.ndarray) -> np.ndarray:
    return np.dot(np.ones(len(block), block.dtype), block)


def _blocks(rows: np.ndarray) -> list[slice]:
    step = max(1, BLOCK // max(1, rows.shape[1]))
    ends = [*range(0, len(rows), step), len(rows)]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _for_each_block(rows: np.ndarray, compute: Callable[[slice], Any]) -> list[Any]:
    """What `compute` gives for each block, in order; by several threads if there is much to do."""
    blocks = _blocks(rows)
    if rows.size < MIN_PARALLEL:
        return [compute(block) for block in blocks]
    return compute_parts(lambda part: compute(blocks[part]), len(blocks))


def _summed(rows: np.ndarray, sums: Callable[[slice], np.ndarray]) -> np.ndarray:
    """The blocks' sums, added up in double precision."""
    return np.asarray(np.sum(_for_each_block(rows, sums), axis=0, dtype=np.float64))
