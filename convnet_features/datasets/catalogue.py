"""What is known about the data sets that are read from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..exceptions import FileFormatError
from .idx import idx_sha256, opened_idx, read_header, read_payload

__all__ = ["FASHION_MNIST", "MNIST", "IdxDataset", "IdxFile", "read_checked"]


@dataclass(frozen=True)
class IdxFile:
    """One file of a data set, and how to recognise it.

    Attributes
    ----------
    name : str
        Its publisher's name for it, without ``.gz``.
    shape : tuple of int
        The shape of its uint8 array.
    sha256 : str
        SHA-256 of the *uncompressed* file. Mirrors compress anew, with other
        settings and times; only the contents are compared.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class IdxDataset:
    """A data set of labelled images in four IDX files.

    Attributes
    ----------
    title : str
        What to call it in a message.
    folder : str
        The name of the folder that it lives in.
    files : mapping from str to IdxFile
        Keys X_train, y_train, X_test, y_test.
    mirrors : tuple of str
        Addresses of the gzipped files, best first.
    n_validation : int
        How many of the last training images are for validation.
    pickle_name : str or None
        The name of the single file in which the 2015 tutorials had it, if they did.
    """

    title: str
    folder: str
    files: Mapping[str, IdxFile]
    mirrors: tuple[str, ...]
    n_validation: int
    pickle_name: str | None = None


def read_checked(
    file: str, expected: IdxFile, dataset: IdxDataset, name: str | None = None
) -> np.ndarray:
    """Read one file of a data set, and check that it is the published one.

    Parameters
    ----------
    file : str
        Path of an IDX file, gzipped or not.
    expected : IdxFile
    dataset : IdxDataset
        The data set that it belongs to, for the error.
    name : str, optional
        What to call the file in an error, if not by its path.

    Returns
    -------
    ndarray of shape ``expected.shape``, uint8

    Raises
    ------
    FileFormatError
        If it is damaged or another file.
    """
    with opened_idx(file, name) as (stream, name):
        dtype, shape = read_header(stream, name)
        if (dtype.name, shape) != ("uint8", expected.shape):
            raise FileFormatError(
                f"{name}: not {expected.name} of {dataset.title}: it holds {dtype.name} of shape "
                f"{shape}; expected uint8 of shape {expected.shape}. {_ADVICE}"
            )
        array = read_payload(stream, name, dtype, shape)
    found = idx_sha256(array)
    if found != expected.sha256:
        raise FileFormatError(
            f"{name}: not {expected.name} of {dataset.title}: the SHA-256 of its uncompressed "
            f"contents is {found}; expected {expected.sha256}. {_ADVICE}"
        )
    return array


_ADVICE = (
    "MNIST and Fashion-MNIST have the same file names: keep them in folders named mnist and "
    "fashion-mnist. Read other data in this format with read_idx."
)

MNIST = IdxDataset(
    title="MNIST",
    folder="mnist",
    files={
        "X_train": IdxFile(
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "y_train": IdxFile(
            "train-labels-idx1-ubyte",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "X_test": IdxFile(
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "y_test": IdxFile(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://sagemaker-sample-files.s3.amazonaws.com/datasets/image/MNIST",
        # The publisher's own is last because it has answered with an error for some years.
        "http://yann.lecun.com/exdb/mnist",
    ),
    n_validation=10_000,
    pickle_name="mnist.pkl.gz",
)

FASHION_MNIST = IdxDataset(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    files={
        "X_train": IdxFile(
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "y_train": IdxFile(
            "train-labels-idx1-ubyte",
            (60_000,),
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "X_test": IdxFile(
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "y_test": IdxFile(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        # The publisher's own is last because it does without encryption.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    n_validation=10_000,
)
