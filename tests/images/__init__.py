"""Small problems that a small network learns in a second."""

from __future__ import annotations

import numpy as np

from convnet_features.network import LayerSpec


def bright_corners(n_samples=60, n_classes=3, size=6, seed=0):
    """Noise with one bright corner, which tells the class.

    Returns
    -------
    X : float32 ndarray of shape (n_samples, size * size)
        Whole numbers from 0 to 16.
    y : int64 ndarray of shape (n_samples,)
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % n_classes
    X = rng.integers(0, 6, (n_samples, size, size))
    half = size // 2
    for image, label in zip(X, y, strict=True):
        rows, columns = divmod(int(label), 2)
        image[rows * half : (rows + 1) * half, columns * half : (columns + 1) * half] += 11
    return np.minimum(X, 16).reshape(n_samples, -1).astype(np.float32), y


def small_network(dropout=0.2):
    """A convolution, pooling, a dense layer of 16 units named ``dense``, and dropout."""
    from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, MaxPool2DLayer

    return [
        LayerSpec("conv", Conv2DLayer, {"num_filters": 4, "filter_size": (3, 3), "pad": "same"}),
        LayerSpec("pool", MaxPool2DLayer, {"pool_size": (2, 2)}),
        LayerSpec("dense", DenseLayer, {"num_units": 16}),
        *([LayerSpec("dropout", DropoutLayer, {"p": dropout})] if dropout else []),
        LayerSpec("output", DenseLayer),
    ]


def quick(estimator, **params):
    """An estimator with the small network, trained for as long as that takes to learn."""
    defaults = {
        "layers": small_network(),
        "max_epochs": 15,
        "batch_size": 16,
        "update_learning_rate": 0.03,
        "random_state": 0,
    }
    return estimator(**{**defaults, **params})
