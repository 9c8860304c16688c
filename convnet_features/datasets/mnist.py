"""MNIST and Fashion-MNIST, split as the Lasagne tutorial of 2015 split them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..exceptions import FileFormatError
from .catalogue import FASHION_MNIST, MNIST, IdxDataset, read_checked
from .sources import Location, locate
from .tutorial_pickle import read_tutorial_pickle

__all__ = ["load_fashion_mnist", "load_mnist"]

Six = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_DTYPES = ("float32", "float64", "uint8")


def load_mnist(
    data_home: str | os.PathLike[str] | None = None,
    *,
    dtype: DTypeLike = "float32",
    download_if_missing: bool = True,
    mirrors: Sequence[str] | None = None,
    timeout: float = 30.0,
    verbose: int = 0,
) -> Six:
    """Load MNIST: 70,000 handwritten digits of 28×28 pixels.

    The files are looked for in this order:

    1. in `data_home`: the four IDX files in its subfolder ``mnist`` or in
       itself, gzipped or not, then ``mnist.pkl.gz``;
    2. in the folder that the environment variable ``CONVNET_FEATURES_DATA``
       names: the four IDX files, in the same way;
    3. in the cache: ``convnet_features/mnist`` in scikit-learn's data folder,
       which is ``$SCIKIT_LEARN_DATA`` or ``~/scikit_learn_data``;
    4. on the web. What is downloaded is kept in ``mnist`` in `data_home` if
       that is given, otherwise in the cache.

    IDX files are the publisher's wherever they are found: the SHA-256 of the
    contents of each is compared with the known one.

    Parameters
    ----------
    data_home : path, optional
        A folder, or the path of ``mnist.pkl.gz``, the file of the 2015
        tutorials. That is a Python 2 pickle, and it is read only where this
        argument names it or its folder, by a reader that knows arrays of
        numbers and nothing else: no code in it is run.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        "uint8" gives the pixels as they are stored, 0 to 255, in a quarter of
        the memory.
    download_if_missing : bool, default=True
        Whether to download what is nowhere on this machine.
    mirrors : sequence of str, optional
        Addresses (http or https) of folders with the gzipped files, tried in
        turn, instead of the known public ones.
    timeout : float, default=30
        Seconds to wait for a mirror to answer, and to go on.
    verbose : int, default=0
        If true, tell on standard output about downloads.

    Returns
    -------
    X_train : ndarray of shape (50000, 1, 28, 28)
        Pixels divided by 256, in [0, 1): the same numbers as in ``mnist.pkl.gz``.
    y_train : ndarray of shape (50000,), uint8
        The digits, 0 to 9.
    X_val, y_val : ndarrays of shape (10000, 1, 28, 28) and (10000,)
        The last 10,000 of MNIST's 60,000 training images, as in the tutorial.
    X_test, y_test : ndarrays of shape (10000, 1, 28, 28) and (10000,)
        MNIST's test images.

    Raises
    ------
    DatasetNotFoundError
        If the files are neither here nor to be downloaded; it lists the places.
    FileFormatError
        If a file is found and is damaged, or another one.
    ValueError
        If `dtype` is none of these, or a mirror is not a web address.

    See Also
    --------
    load_fashion_mnist : The same shapes, and harder.
    load_digits_images : Digits that need no file.
    read_idx : Other data in the same format.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, *Gradient-based learning
    applied to document recognition*, Proceedings of the IEEE 86(11), 1998.

    The split and the scale are those of ``load_dataset`` in Lasagne's
    ``examples/mnist.py``.

    Examples
    --------
    >>> from convnet_features.datasets import load_mnist
    >>> X_train, y_train, X_val, y_val, X_test, y_test = load_mnist()  # doctest: +SKIP
    >>> X_train.shape, X_train.dtype.name  # doctest: +SKIP
    ((50000, 1, 28, 28), 'float32')
    """
    return load(MNIST, data_home, dtype, download_if_missing, mirrors, timeout, verbose)


def load_fashion_mnist(
    data_home: str | os.PathLike[str] | None = None,
    *,
    dtype: DTypeLike = "float32",
    download_if_missing: bool = True,
    mirrors: Sequence[str] | None = None,
    timeout: float = 30.0,
    verbose: int = 0,
) -> Six:
    """Load Fashion-MNIST: 70,000 pictures of clothes, of 28×28 pixels.

    Classes 0 to 9 are T-shirt/top, trouser, pullover, dress, coat, sandal,
    shirt, sneaker, bag and ankle boot. The files are looked for where
    :func:`load_mnist` looks for its own, in subfolders named ``fashion-mnist``;
    there is no pickle of them.

    Parameters
    ----------
    data_home : path, optional
        A folder.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        "uint8" gives the pixels as they are stored, 0 to 255, in a quarter of
        the memory.
    download_if_missing : bool, default=True
        Whether to download what is nowhere on this machine.
    mirrors : sequence of str, optional
        Addresses (http or https) of folders with the gzipped files, tried in
        turn, instead of the known public ones.
    timeout : float, default=30
        Seconds to wait for a mirror to answer, and to go on.
    verbose : int, default=0
        If true, tell on standard output about downloads.

    Returns
    -------
    X_train : ndarray of shape (50000, 1, 28, 28)
        Pixels divided by 256, in [0, 1).
    y_train : ndarray of shape (50000,), uint8
        The classes, 0 to 9.
    X_val, y_val : ndarrays of shape (10000, 1, 28, 28) and (10000,)
        The last 10,000 of the 60,000 training images, split off as for MNIST.
    X_test, y_test : ndarrays of shape (10000, 1, 28, 28) and (10000,)
        The test images.

    Raises
    ------
    DatasetNotFoundError
        If the files are neither here nor to be downloaded; it lists the places.
    FileFormatError
        If a file is found and is damaged, or another one.
    ValueError
        If `dtype` is none of these, or a mirror is not a web address.

    See Also
    --------
    load_mnist : The same shapes, and easier.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms*, 2017, https://arxiv.org/abs/1708.07747.
    The data are under the MIT licence, © 2017 Zalando SE.

    Examples
    --------
    >>> from convnet_features.datasets import load_fashion_mnist
    >>> X_train, y_train, *_ = load_fashion_mnist(dtype="uint8")  # doctest: +SKIP
    >>> X_train.dtype.name, X_train.nbytes  # doctest: +SKIP
    ('uint8', 39200000)
    """
    return load(FASHION_MNIST, data_home, dtype, download_if_missing, mirrors, timeout, verbose)


def load(
    dataset: IdxDataset,
    data_home: str | os.PathLike[str] | None = None,
    dtype: DTypeLike = "float32",
    download_if_missing: bool = True,
    mirrors: Sequence[str] | None = None,
    timeout: float = 30.0,
    verbose: int = 0,
) -> Six:
    """Load a data set of the catalogue; the parameters are those of `load_mnist`."""
    wanted = _checked_dtype(dtype)
    location = locate(
        dataset,
        data_home,
        download_if_missing=download_if_missing,
        mirrors=mirrors,
        timeout=timeout,
        verbose=verbose,
    )
    if location.pickle is not None:
        return _from_pickle(dataset, os.fspath(location.pickle), wanted)
    return _from_idx(dataset, location, wanted)


def _checked_dtype(dtype: DTypeLike) -> np.dtype:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = None
    if wanted is None or wanted.name not in _DTYPES:
        raise ValueError(f"dtype={dtype!r}: images are to be had as {', '.join(_DTYPES)}.")
    return wanted


def _from_idx(dataset: IdxDataset, location: Location, dtype: np.dtype) -> Six:
    assert location.files is not None
    arrays = {
        key: read_checked(os.fspath(location.files[key]), file, dataset)
        for key, file in dataset.files.items()
    }
    X, X_test = (_scaled(arrays[key][:, np.newaxis], dtype) for key in ("X_train", "X_test"))
    y, y_test = arrays["y_train"], arrays["y_test"]
    n_train = len(X) - dataset.n_validation
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:], X_test, y_test


def _scaled(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Divide by 256, or leave bytes as they are.

    The quotient is exact, since 256 is a power of two. It is computed in `dtype`
    from the bytes, without an array of another type in between.
    """
    if dtype == np.uint8:
        return images
    return np.multiply(images, 1 / 256, dtype=dtype)


def _from_pickle(dataset: IdxDataset, path: str, dtype: np.dtype) -> Six:
    n_images, height, width = dataset.files["X_train"].shape
    n_test = dataset.files["X_test"].shape[0]
    sizes = (n_images - dataset.n_validation, dataset.n_validation, n_test)
    (X_train, y_train), (X_val, y_val), (X_test, y_test) = (
        (_converted(images, dtype, path).reshape(-1, 1, height, width), labels)
        for images, labels in read_tutorial_pickle(path, sizes, height * width)
    )
    return X_train, y_train, X_val, y_val, X_test, y_test


def _converted(images: np.ndarray, dtype: np.dtype, path: str) -> np.ndarray:
    """Copy pixels in [0, 1) into a new array of `dtype`."""
    if dtype != np.uint8:
        return np.array(images, dtype=dtype, order="C")
    pixels = (images * 256).astype(np.uint8, order="C")
    if not np.array_equal(pixels * np.float32(1 / 256), images):
        raise FileFormatError(
            f"{path}: its pixels are not whole numbers divided by 256, so that there are no "
            "bytes to return; load it with dtype='float32'."
        )
    return pixels
