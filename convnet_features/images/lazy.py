"""Images that stay in their files until a batch of them is needed."""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..identity import array_identity
from ..kernels.memory import empty
from ..network.on_demand import ImagesOnDemand, one_ahead
from ..validation.layout import is_file, is_picture
from .batch import Bad, decode_all, report
from .cache import Cache
from .decoding import Decoder, fingerprint, read_whole
from .pictures import name_of

__all__ = ["LazyImages"]

#: Images that are decoded together where all of them are walked through.
STEP = 64


class LazyImages(ImagesOnDemand):
    """Images that are decoded when a batch of them is asked for; what `ImageLoader` makes.

    It behaves as a uint8 array of shape (n_samples, channels, height, width): a
    slice or an array of row numbers, or of booleans, gives `LazyImages` of these
    rows; one number gives an array. The estimators read it batch by batch, and
    decode the next batch on threads while the network computes. ``numpy.asarray``
    decodes all of it at once.

    Parameters
    ----------
    sources : sequence of paths, bytes, open files, images or arrays, of shape (n_files,)
    decoder : Decoder
    on_error : {"raise", "blank"}, default="raise"
    n_jobs : int, default=None
        Threads that decode; None is as many as compute.
    cache : Cache, default=None
        Keeps decoded images; rows of these images share it.
    rows : ndarray of shape (n_samples,), default=None
        Which of the sources; None is all of them.
    warned : set of int, default=None
        The sources of which a warning has said that they cannot be read.

    Attributes
    ----------
    shape : tuple of int
        (n_samples, channels, height, width).
    dtype : dtype
        uint8.
    ndim : int
        4.
    size : int
        The number of pixels, channels counted.

    See Also
    --------
    ImageLoader : Makes them, with ``lazy=True``.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from convnet_features.images import ImageLoader
    >>> pictures = load_sample_images().images
    >>> images = ImageLoader(32, lazy=True).fit_transform(pictures)
    >>> images.shape, images[1:].shape, images[0].dtype
    ((2, 3, 32, 32), (1, 3, 32, 32), dtype('uint8'))
    """

    def __init__(
        self,
        sources: Sequence[Any],
        decoder: Decoder,
        on_error: str = "raise",
        n_jobs: int | None = None,
        cache: Cache | None = None,
        rows: np.ndarray | None = None,
        warned: set[int] | None = None,
    ) -> None:
        self.sources = sources
        self.decoder = decoder
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.cache = cache
        self.rows = np.arange(len(sources)) if rows is None else rows
        self.warned: set[int] = set() if warned is None else warned
        self.shape = (len(self.rows), *decoder.shape)

    @property
    def size(self) -> int:
        """The number of pixels, channels counted."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __repr__(self) -> str:
        return f"<LazyImages of shape {self.shape}>"

    def __iter__(self) -> Iterator[np.ndarray]:
        starts = range(0, len(self), STEP)
        for batch in one_ahead(lambda k: self._read(self.rows[starts[k] :][:STEP]), len(starts)):
            yield from batch

    def __getitem__(self, key: Any) -> Any:
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, others = slice(None), others and [Ellipsis, *others]
        chosen = self._row(first) if _is_number(first) else self._some(first)
        if all(each is Ellipsis or _is_everything(each) for each in others):
            if len([each for each in others if each is not Ellipsis]) > 3:
                raise IndexError(f"{self!r} has 4 axes, and the index {key!r} has more")
            return chosen
        if isinstance(chosen, LazyImages):
            # As in NumPy, an array of rows goes along with arrays behind it, one by one.
            rows = slice(None) if isinstance(first, slice) else np.arange(len(chosen))
            return np.asarray(chosen)[(rows, *others)]
        return chosen[tuple(others)]

    def _row(self, key: Any) -> np.ndarray:
        return self._read(self.rows[operator.index(key)][np.newaxis])[0]

    def _some(self, key: Any) -> LazyImages:
        rows = self.rows[key if isinstance(key, slice) else _numbers(key)]
        if rows.ndim != 1:
            raise IndexError(f"{self!r} is indexed by rows; got {key!r}")
        shared = self.decoder, self.on_error, self.n_jobs, self.cache
        return LazyImages(self.sources, *shared, rows, self.warned)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("LazyImages have no array in memory: numpy.asarray makes one.")
        pixels = self._read(self.rows)
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """These rows' pixels: of each file once, and from the cache what is there."""
        needed, places = np.unique(rows, return_inverse=True)
        if len(needed) == len(rows):
            needed, places = rows, np.arange(len(rows))
        pixels = empty((len(needed), *self.decoder.shape), np.uint8)
        missing = np.arange(len(needed))
        if self.cache is not None:
            missing = missing[~self.cache.take(needed, pixels)]
        if len(missing):
            fresh, bad = decode_all(self.decoder, self.sources, needed[missing], self.n_jobs)
            self._report(bad, len(missing))
            self.decoder.scales.warn("LazyImages")
            if len(missing) == len(needed):
                pixels = fresh
            else:
                pixels[missing] = fresh
            if self.cache is not None:
                self.cache.keep(needed[missing], fresh)
        return pixels if len(needed) == len(rows) else pixels[places]

    def _report(self, bad: Bad, n_images: int) -> None:
        """Every time as an error, and once as a warning."""
        if self.on_error == "blank":
            bad = [each for each in bad if each[0] not in self.warned]
            self.warned.update(row for row, _, _ in bad)
        report("LazyImages", bad, n_images, self.on_error)

    def check(self) -> list[tuple[int, str, str]]:
        """Decode everything once, batch by batch, and list what cannot be read.

        Returns
        -------
        list of (row, name, reason)
            As `BadImagesError` has them; rows are counted in these images.
        """
        bad: Bad = []
        for start in range(0, len(self), STEP):
            rows = self.rows[start : start + STEP]
            _, found = decode_all(self.decoder, self.sources, np.unique(rows), self.n_jobs)
            reasons = {row: (title, reason) for row, title, reason in found}
            bad += [
                (start + place, *reasons[row])
                for place, row in enumerate(rows.tolist())
                if row in reasons
            ]
        return bad

    def identity(self) -> Any:
        """What tells these images from others: files by name, size and time, anything else whole.

        Returns
        -------
        list of str
        """
        files = hashlib.sha256()
        for row in np.unique(self.rows):  # their notes would take a kilobyte each
            files.update(repr(_identity(self.sources[row], int(row))).encode())
        return [array_identity(self.rows), repr(self.decoder), files.hexdigest()]


def _is_number(key: Any) -> bool:
    return hasattr(key, "__index__") and np.ndim(key) == 0 and not isinstance(key, bool | np.bool_)


def _is_everything(key: Any) -> bool:
    return isinstance(key, slice) and key == slice(None)


def _numbers(key: Any) -> np.ndarray:
    """Rows as numbers or booleans; an empty list chooses none."""
    chosen = np.asarray(key)
    if not chosen.size and chosen.dtype.kind == "f":
        return chosen.astype(np.intp)
    if chosen.dtype.kind not in "biu":
        raise IndexError(f"LazyImages are indexed by numbers, booleans and slices; got {key!r}")
    return chosen


def _identity(source: Any, row: int) -> Any:
    if isinstance(source, str | os.PathLike):
        try:
            status = os.stat(source)
        except OSError:
            return [name_of(source, row), None, None]
        return [name_of(source, row), status.st_size, status.st_mtime_ns]
    try:
        if is_picture(source):
            return fingerprint(source)
        if is_file(source):
            contents = read_whole(source) if hasattr(source, "read") else bytes(source)
            return [str(type(contents)), hashlib.sha256(_as_bytes(contents)).hexdigest()]
        return array_identity(np.atleast_1d(np.asarray(source)))
    except Exception:  # what cannot be read has a name, and is an error when it is decoded
        return name_of(source, row)


def _as_bytes(contents: str | bytes) -> bytes:
    return contents.encode() if isinstance(contents, str) else contents
