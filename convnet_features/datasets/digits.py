"""The handwritten digits that ship with scikit-learn, as images."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["load_digits_images"]


def load_digits_images(*, n_class: int = 10, return_X_y: bool = True) -> Any:
    """Load scikit-learn's digits as images that a convolutional network takes.

    The same 1,797 digits as :func:`sklearn.datasets.load_digits`, in the same
    order, with the channel axis in place. Nothing is downloaded. Pixels are
    left as they come, whole numbers from 0 to 16.

    Parameters
    ----------
    n_class : int, default=10
        Only the digits below this number are returned, from 1 to 10.
    return_X_y : bool, default=True
        Whether to return ``(X, y)``, as the other loaders here return arrays,
        or the :class:`~sklearn.utils.Bunch` of ``load_digits`` with its
        ``data`` and ``images`` both replaced by ``X``.

    Returns
    -------
    X : ndarray of shape (n_samples, 1, 8, 8), float32
        Pixels from 0 (paper) to 16 (ink); 1,797 images for ``n_class=10``.
    y : ndarray of shape (n_samples,), int64
        The digit in each image. With ``return_X_y=False`` it is the Bunch's
        ``target``.

    Raises
    ------
    ValueError
        If `n_class` is not between 1 and 10.

    See Also
    --------
    load_mnist : 70,000 digits of 28×28 pixels.

    References
    ----------
    E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI
    Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49 (its test
    part, which is what scikit-learn ships).

    Examples
    --------
    >>> from convnet_features.datasets import load_digits_images
    >>> X, y = load_digits_images()
    >>> X.shape, X.dtype.name, y.shape
    ((1797, 1, 8, 8), 'float32', (1797,))
    >>> float(X.min()), float(X.max())
    (0.0, 16.0)
    """
    if not 1 <= n_class <= 10:
        raise ValueError(f"n_class={n_class!r}: there are ten digits; pass a number from 1 to 10.")
    # Imported here so that reading IDX files does not wait for scikit-learn.
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=n_class)
    X = np.ascontiguousarray(digits.images[:, np.newaxis], dtype=np.float32)
    if return_X_y:
        return X, digits.target
    digits.data = digits.images = X
    return digits
