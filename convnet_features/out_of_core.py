"""Features of data that do not fit into memory: dask arrays, and batches one after the other.

Data in zarr or HDF5 become dask arrays by ``dask.array.from_zarr(path)`` and
``dask.array.from_array(h5py_dataset, chunks=...)``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from .network.features import feature_layers

__all__ = ["is_dask_array", "iterate_blocks", "transform_batches", "transform_blocks"]


def is_dask_array(X: Any) -> bool:
    """Whether X is a dask array; imports nothing to find out."""
    array = sys.modules.get("dask.array")
    return array is not None and isinstance(X, array.Array)


def transform_blocks(estimator: Any, X: Any) -> Any:
    """The features of a dask array as a dask array: nothing is computed yet.

    `ConvNetFeatureExtractor.transform` calls this for dask arrays. Each block of
    samples becomes one task; the estimator travels to a worker once.

    Parameters
    ----------
    estimator : ConvNetFeatureExtractor, ConvNetClassifier or ConvNetRegressor
        Fitted.
    X : dask array of shape (n_samples, ...)
        As `transform` takes it. Blocks may have any number of samples, an
        unknown one or none; other axes are put into one block.

    Returns
    -------
    dask array of shape (n_samples, n_features_out)
        float32, with the blocks of X along the samples.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If X has images of another size than the network was fitted to, or
        `set_output` asks for a DataFrame, which all features would have to be
        computed for.

    Examples
    --------
    >>> import dask.array as da
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, y)
    >>> features = extractor.transform(da.from_array(X, chunks=(500, -1)))
    >>> features.shape, features.chunks[0]
    ((1797, 256), (500, 500, 500, 297))
    """
    from dask import delayed

    check_is_fitted(estimator)
    _check_container(estimator)
    # One sample of zeros shows now, not in some worker, whether the sizes are right.
    estimator._images(np.zeros((1, *X.shape[1:]), dtype=X.dtype))
    width = _n_features(estimator)
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    return X.map_blocks(
        _block_features,
        # A task of its own: kept once a worker, not once a block.
        delayed(estimator, pure=False),
        width=width,
        drop_axis=list(range(1, X.ndim)),
        new_axis=[1],
        chunks=(X.chunks[0], (width,)),
        dtype=np.float32,
        meta=np.empty((0, 0), dtype=np.float32),
        name=None,
        token="features",
    )


def _check_container(estimator: Any) -> None:
    container = _get_output_config("transform", estimator)["dense"]
    if container != "default":
        raise ValueError(
            f"transform: X is a dask array, and a {container} DataFrame of its features would "
            "hold all of them in memory; call set_output(transform='default'), or compute X first."
        )


def _block_features(block: Any, estimator: Any, width: int) -> np.ndarray:
    if len(block) == 0:
        return np.empty((0, width), dtype=np.float32)
    # What `transform` does, before `set_output` has its say.
    return estimator._features(estimator._images(block))


def _n_features(estimator: Any) -> int:
    network = estimator._model.network
    names = feature_layers(network, estimator.feature_layer)
    return sum(math.prod(network.layers[name].output_shape[1:]) for name in names)


def transform_batches(estimator: Any, batches: Iterable[Any]) -> Iterator[np.ndarray]:
    """The features of one batch after the other, each computed when it is asked for.

    Parameters
    ----------
    estimator : ConvNetFeatureExtractor, ConvNetClassifier or ConvNetRegressor
        Fitted.
    batches : iterable of array-like of shape (n_samples, ...)
        As `transform` takes them. Read from files, generated, whatever.

    Yields
    ------
    ndarray of shape (n_samples, n_features_out)
        float32, whatever `set_output` says.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.out_of_core import transform_batches
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, y)
    >>> for features in transform_batches(extractor, (X[i : i + 600] for i in (0, 600, 1200))):
    ...     print(features.shape)
    (600, 256)
    (600, 256)
    (597, 256)
    """
    check_is_fitted(estimator)
    width = _n_features(estimator)
    for batch in batches:
        yield _block_features(batch, estimator, width)


def iterate_blocks(*arrays: Any) -> Iterator[tuple[np.ndarray, ...]]:
    """The blocks of dask arrays as NumPy arrays, in order: one in memory at a time.

    Parameters
    ----------
    *arrays : dask array of shape (n_samples, ...)
        X and y, say. They are cut alike along the samples: as the first is.

    Yields
    ------
    tuple of ndarray of shape (n_samples_of_block, ...)
        The same rows of every array.

    Raises
    ------
    ValueError
        If the arrays have different numbers of samples.

    Examples
    --------
    >>> import dask.array as da
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = (da.from_array(each, chunks=600) for each in load_digits(return_X_y=True))
    >>> classifier = ConvNetClassifier(random_state=0)
    >>> for images, labels in iterate_blocks(X, y):
    ...     classifier = classifier.partial_fit(images, labels, classes=range(10))
    >>> len(classifier.history_)
    3
    """
    from dask import compute

    first = arrays[0]
    lengths = [array.shape[0] for array in arrays]
    if any(length != lengths[0] for length in lengths[1:] if not math.isnan(length + lengths[0])):
        raise ValueError(f"The arrays have different numbers of samples: {lengths}.")
    aligned = [
        array.rechunk({**dict.fromkeys(range(1, array.ndim), -1), **_samples_like(first, array)})
        for array in arrays
    ]
    for block in range(first.numblocks[0]):
        yield compute(*(array.blocks[block] for array in aligned))


def _samples_like(first: Any, array: Any) -> dict[int, Any]:
    """How to cut `array` along its samples, where the sizes of blocks are known."""
    return {} if array.chunks[0] == first.chunks[0] else {0: first.chunks[0]}
