"""The first step of a Pipeline that takes photographs."""

from __future__ import annotations

import inspect
import numbers
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import StrOptions

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..intervals import COUNT, Number
from ..training.callbacks.progress import progress_bar
from ..validation.layout import is_file, is_picture
from .batch import Bad, decode_all, report
from .cache import Cache
from .colour import background_colour
from .decoding import CHANNELS, NO_FILE, Decoder, is_seekable, of_nothing, read_whole
from .depth import whites
from .lazy import LazyImages
from .pictures import name_of, pictures
from .pillow import pillow

__all__ = ["ImageLoader"]

_SIDE = Number(numbers.Integral, 1, None, closed="left")
_FILTERS = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}


class _Method:
    """A method that leaves its name free for a parameter, which `vars` of the object holds.

    `ImageLoader` has a parameter named as its method `fit` is: an attribute would hide it.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.function.__get__(instance, owner) if instance is not None else self.function

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self.name] = value


F = TypeVar("F", bound=Callable[..., Any])


def _beside_parameter(function: F) -> F:
    """A `_Method`, for type checkers the function that it is made of."""
    return _Method(function)  # type: ignore[return-value]


class ImageLoader(  # type: ignore[call-arg]
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Read photographs of any size and format into one array, as a viewer shows them.

    Photographs are turned as EXIF says; palettes, CMYK, 16 bits and colour
    profiles become 8-bit sRGB; what is transparent lies on `background`; of
    animations the first picture counts. Files, bytes, images and arrays may be
    mixed in X.

    Parameters
    ----------
    size : int or (int, int), default=64
        The side of the images, or their (height, width).
    mode : {"rgb", "gray", "rgba"}, default="rgb"
    fit : {"crop", "pad", "stretch"}, default="crop"
        How a picture of another shape fills the image: "crop" cuts off what is
        too long, alike on both sides; "pad" keeps all of it, with `background`
        around it (transparent, in "rgba"); "stretch" changes its shape.
    crop : float, default=1.0
        The share of each side of it that is kept then, in the middle: 0.875 is what torchvision's
        evaluation keeps, which makes 256 pixels of the shorter side and cuts out 224.
    resample : {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}, \
            default="bilinear"
        Pillow's filter. All but "nearest" average over what becomes one pixel.
    background : str, int or (int, int, int), default="white"
        A colour's name, a grey level, or (red, green, blue), of 0 to 255.
    on_error : {"raise", "blank"}, default="raise"
        What becomes of images that cannot be read: one `BadImagesError` that
        lists all of them, or images of `background` and one warning.
    n_jobs : int, default=None
        Threads that decode; None is as many as networks are computed by
        (`get_num_threads`, which is less in the processes of a parallel search),
        -1 as many as there are processors.
    lazy : bool, default=False
        Whether `transform` gives `LazyImages`, which decode when a batch is
        asked for, instead of an array: for more images than memory holds.
    cache_bytes : int, default=0
        How much of what was decoded lazy images keep: one image at least, or 0.
    cache_folder : path, default=None
        Keep it in a file of this folder, which goes with the process; None keeps
        it in memory.
    verbose : int, default=0
        1 shows a progress bar, in a terminal and in a notebook, where tqdm is
        installed.

    See Also
    --------
    load_image_folder : Files and classes of a folder.

    Notes
    -----
    A JPEG that is more than twice as large as what is made of it is decoded at a
    half, a quarter or an eighth of its size, which libjpeg does in less time.

    It reads the formats of photographs and of the web, AVIF to WebP, and HEIF
    once pillow-heif is registered. It never opens EPS, which would run a
    program. `PIL.Image.MAX_IMAGE_PIXELS` is the largest number of pixels; a small
    file that unfolds into a large picture is refused
    (see the page on security).

    An item that is an array may have any numeric dtype: floats up to 1 are shares
    of white, whole numbers up to 255 bytes, those up to 65535 words of 16 bits. What
    the largest number of X says holds for all floats in X, and likewise for all whole
    numbers of other dtypes than uint8 and uint16, so that no picture is brighter than
    it is beside another. Give uint8 where pictures come one at a time.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from convnet_features.images import ImageLoader
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (500, 375), "red").save(file, "JPEG")
    >>> images = ImageLoader(size=(48, 64)).fit_transform([file.getvalue()])
    >>> images.shape, images.dtype
    ((1, 3, 48, 64), dtype('uint8'))
    >>> images[0, :, 20, 30]
    array([254,   0,   0], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [_SIDE, tuple, list],
        "mode": [StrOptions(set(CHANNELS))],
        "fit": [StrOptions({"crop", "pad", "stretch"})],
        "crop": [Number(numbers.Real, 0, 1, closed="right")],
        "resample": [StrOptions(_FILTERS)],
        "background": [str, numbers.Integral, tuple, list],
        "on_error": [StrOptions({"raise", "blank"})],
        "n_jobs": [COUNT, Number(numbers.Integral, None, -1, closed="right"), None],
        "lazy": ["boolean"],
        "cache_bytes": [Number(numbers.Integral, 0, None, closed="left")],
        "cache_folder": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        size: int | tuple[int, int] = 64,
        *,
        mode: str = "rgb",
        fit: str = "crop",
        crop: float = 1.0,
        resample: str = "bilinear",
        background: Any = "white",
        on_error: str = "raise",
        n_jobs: int | None = None,
        lazy: bool = False,
        cache_bytes: int = 0,
        cache_folder: Any = None,
        verbose: int = 0,
    ) -> None:
        self.size = size
        self.mode = mode
        self.fit = fit  # type: ignore[method-assign, assignment]
        self.crop = crop
        self.resample = resample
        self.background = background
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.lazy = lazy
        self.cache_bytes = cache_bytes
        self.cache_folder = cache_folder
        self.verbose = verbose

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a time before `crop`, pickles keep all of it."""
        super().__setstate__({"crop": 1.0, **state})

    def __init_subclass__(cls, **options: Any) -> None:
        """A subclass's own `fit` leaves the name free for the parameter, too."""
        super().__init_subclass__(**options)
        method = inspect.getattr_static(cls, "fit")
        if not isinstance(method, _Method):
            own = _Method(method)
            own.name = "fit"
            cls.fit = own  # type: ignore[method-assign, assignment]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Of no effect: no parameter is an estimator.

        Returns
        -------
        dict
        """
        return {name: vars(self)[name] for name in self._get_param_names()}

    @_beside_parameter
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learnt, and no image is opened.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            As in `transform`.
        y : ignored

        Returns
        -------
        self
        """
        self._decoder()
        pictures(type(self).__name__, X)
        return self

    if TYPE_CHECKING:  # scikit-learn's, which has no types

        def fit_transform(self, X: Any, y: Any = None) -> np.ndarray | LazyImages: ...

    def transform(self, X: Any) -> np.ndarray | LazyImages:
        """Decode the images.

        Parameters
        ----------
        X : array-like of shape (n_samples,), or array of shape (n_samples, ...)
            A list, array, series or one-column frame of paths, bytes, open files,
            images of PIL's or arrays, in any mixture; or one array of images.

        Returns
        -------
        uint8 ndarray of shape (n_samples, channels, height, width)
            `LazyImages` of this shape with ``lazy=True``.

        Raises
        ------
        BadImagesError
            If images cannot be read and `on_error` is "raise": one error for all
            of them, whose attribute `bad` lists them. With ``lazy=True`` only
            missing files are found now, others when they are asked for.
        ValueError
            If X or a parameter is not what it must be.
        ImportError
            If Pillow is not installed.
        """
        name = type(self).__name__
        sources = pictures(name, X)
        decoder = self._decoder(whites(each for each in sources if _is_array(each)))
        if self.lazy:
            if self.on_error == "raise":
                report(name, _missing(sources), len(sources), self.on_error)
            cache = self._cache(decoder, len(sources))
            sources = [read_whole(each) if _is_stream(each) else each for each in sources]
            return LazyImages(sources, decoder, self.on_error, self.n_jobs, cache)
        bar = progress_bar(sys.stdout, "image", len(sources)) if self.verbose else None
        with nullcontext() if bar is None else closing(bar):
            progress = {} if bar is None else {"on_done": bar.update}
            images, bad = decode_all(decoder, sources, range(len(sources)), self.n_jobs, **progress)
        report(name, bad, len(sources), self.on_error)
        decoder.scales.warn(name)
        return images

    def _decoder(self, whites: Mapping[str, int] | None = None) -> Decoder:
        self._validate_params()
        pillow()
        height, width = _height_and_width(self.size)
        background = background_colour(self.background)
        fit = vars(self)["fit"]
        self._check_cache(len(CHANNELS[self.mode]) * height * width)
        made = height, width, self.mode, fit, self.resample, background
        return Decoder(*made, whites or {}, crop=float(self.crop))

    def _check_cache(self, image_bytes: int) -> None:
        """That what is asked for keeps something."""
        if not self.cache_bytes and self.cache_folder is None:
            return
        given = f"cache_bytes={self.cache_bytes!r} and cache_folder={self.cache_folder!r}"
        if not self.lazy:
            raise ValueError(
                f"{given}: only lazy images are kept so; set lazy=True, or leave both out."
            )
        if self.cache_bytes < image_bytes:
            raise ValueError(
                f"{given} keep nothing: an image has {image_bytes} bytes; set cache_bytes to as "
                "many as may be kept."
            )

    def _cache(self, decoder: Decoder, n_images: int) -> Cache | None:
        if not self.cache_bytes:
            return None
        return Cache(int(self.cache_bytes), decoder.shape, n_images, self.cache_folder)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The channels, which are the second axis of what `transform` gives.

        Parameters
        ----------
        input_features : ignored
            Present because scikit-learn passes it.

        Returns
        -------
        ndarray of str objects, of shape (channels,)
        """
        return np.asarray(CHANNELS[self.mode], dtype=object)

    def set_output(self, *, transform: str | None = None) -> ImageLoader:
        """Images stay an array: its four axes are no table.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            A warning says so where a frame is asked for. The steps behind this
            one in a Pipeline give theirs all the same.

        Returns
        -------
        self
        """
        if transform not in (None, "default"):
            warnings.warn(
                f"ImageLoader.set_output(transform={transform!r}): images are an array of four "
                f"axes, of which no {transform} frame can be made, and stay one. Estimators behind "
                "it in a Pipeline give frames.",
                ConvNetFeaturesWarning,
                stacklevel=users_level(),
            )
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def _height_and_width(size: Any) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    if len(sides) != 2 or not all(_SIDE.is_satisfied_by(side) for side in sides):
        raise ValueError(
            f"size must be a side, or (height, width), of whole numbers above 0; got {size!r}."
        )
    return int(sides[0]), int(sides[1])


def _is_array(source: Any) -> bool:
    return not (is_file(source) or is_picture(source))


def _is_stream(source: Any) -> bool:
    """Whether it is an open file that can be read once only."""
    return hasattr(source, "read") and is_file(source) and not is_seekable(source)


def _missing(sources: Sequence[Any]) -> Bad:
    """Paths that lead to no file."""
    return [
        (row, name_of(each, row), NO_FILE if os.path.exists(each) else of_nothing(each))
        for row, each in enumerate(sources)
        if isinstance(each, str | os.PathLike) and not os.path.isfile(each)
    ]
