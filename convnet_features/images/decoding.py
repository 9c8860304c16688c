"""From a file, bytes, a picture or an array to pixels of one size: what a viewer shows."""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..identity import array_identity
from ..locks import new_lock
from ..validation.layout import is_file, is_picture
from .colour import in_mode, plain, shown
from .depth import Scales, from_array
from .geometry import place
from .limits import LARGE, check_decoded, check_size, decoded_bytes, one_large_at_a_time
from .pillow import SUFFIXES, formats, pillow

__all__ = [
    "CHANNELS",
    "NO_FILE",
    "Decoder",
    "fingerprint",
    "is_seekable",
    "of_nothing",
    "read_whole",
]

#: The channels of each mode, by name.
CHANNELS = {
    "rgb": ("red", "green", "blue"),
    "gray": ("gray",),
    "rgba": ("red", "green", "blue", "alpha"),
}
#: A JPEG is decoded at a half, a quarter or an eighth if it is still so many times as large as
#: what is made of it: the result differs from one of the whole picture by less than two levels of
#: 255 on average, and by some 30 at the sharpest edges.
GAP = 2.0
#: Smaller files are read in one piece: Pillow asks for forty of a JPEG.
READ_AT_ONCE = 1 << 20
#: Formats that libjpeg decodes.
DRAFTED = ("JPEG", "MPO")
#: EXIF's tag of how a camera was held.
ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}

#: By the brand in front of a file: formats that not every Pillow reads, and how it comes to.
BRANDS = dict.fromkeys([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"], "HEIF")
BRANDS |= dict.fromkeys([b"avif", b"avis"], "AVIF")
PLUGINS = {
    "HEIF": "it is a HEIF image; pip install pillow-heif, and call "
    "pillow_heif.register_heif_opener() first",
    "AVIF": "it is an AVIF image, which this Pillow was built without; upgrade Pillow",
}
#: How a JPEG begins: Pillow need not be asked for all that it reads.
JPEG = b"\xff\xd8\xff"
#: How an ICO begins: Pillow decodes what is in it before its size can be looked at.
ICON = b"\0\0\1\0"
#: What is said of paths that lead to something else than a file, and of those that lead nowhere.
NO_FILE = "it is a folder, or another thing that is no file"
NOTHING = "there is no such file"
#: What is said of files that were opened as text, and of names that are bytes.
TEXT = "it was opened as text; open it with mode 'rb'"
NAME = "it seems to be the name of a file; give it as text: os.fsdecode(name)"
LONGEST_NAME = 4096
#: What is said of addresses, and of names that a shell would expand.
ADDRESS = (
    "it is an address; give the bytes of what is there: urllib.request.urlopen(address).read()"
)
HOME = "there is no such file: ~ stays as it is; give os.path.expanduser(path)"

#: Open files and PIL's images are read by one thread at a time: they have a position.
_reading = new_lock()


@dataclass(frozen=True)
class Decoder:
    """What is made of each picture: pixels of one size and mode.

    Attributes
    ----------
    height, width : int
    mode : {'rgb', 'gray', 'rgba'}
    fit : {'crop', 'pad', 'stretch'}
    resample : str
        One of Pillow's filters.
    background : (int, int, int)
        What transparent pixels lie on, and what `fit="pad"` leaves.
    whites : mapping
        Which number is white in arrays whose dtype does not say.
    scales : Scales
        Is told what was white in files that do not say.
    crop : float
        The share of each side that is kept, in the middle.
    """

    height: int
    width: int
    mode: str
    fit: str
    resample: str
    background: tuple[int, int, int]
    whites: Mapping[str, int] = field(default_factory=dict)
    scales: Scales = field(default_factory=Scales, repr=False, compare=False)
    crop: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what is made."""
        return len(CHANNELS[self.mode]), self.height, self.width

    def decode(self, source: Any) -> np.ndarray:
        """One picture's pixels.

        Parameters
        ----------
        source : path, bytes, open file, image of PIL's, or array

        Returns
        -------
        uint8 ndarray of shape (channels, height, width)

        Raises
        ------
        Exception
            Whatever Pillow raises of a file that it cannot read, and ValueError.
        """
        if is_picture(source):
            with _reading:
                check_size(source)
                source.load()
                # Pillow notes that it knows EXIF before it does: another thread would read none.
                orientation = _orientation(source)
            return self._pixels(source, source.size, orientation)
        if is_file(source):
            with _opened(source) as (file, file_size):
                return self._of_file(file, file_size)
        picture = from_array(_known(source), pillow(), self.whites)
        return self._pixels(picture, picture.size, 1)

    def blank(self) -> np.ndarray:
        """What stands for a picture that cannot be read: the background."""
        return self._as_array(pillow().new("RGB", (self.width, self.height), self.background))

    def _of_file(self, file: Any, file_size: int) -> np.ndarray:
        with _identified(file) as image:
            check_size(image)
            full_size = image.size
            # A JPEG's notes come before its pixels, and a TIFF turns itself while it is decoded.
            orientation = _orientation(image) if image.format in DRAFTED else None
            shrunk = 1.0 if orientation is None else self._draft(image, orientation)
            n_bytes = decoded_bytes(image, full_size)
            check_decoded(n_bytes, file_size)
            with one_large_at_a_time if n_bytes > LARGE else contextlib.nullcontext():
                image.load()
                if orientation is None:
                    orientation = _orientation(image)
                return self._pixels(image, full_size, orientation, shrunk)

    def _draft(self, image: Any, orientation: int) -> float:
        """Have a JPEG decoded at a smaller size, where the result stays as good; at which one."""
        width, height = image.size
        box, size, _ = place(image.size, self._target(orientation), self.fit, self.crop)
        scale = GAP * max(size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1]))
        wanted = math.ceil(width * scale), math.ceil(height * scale)
        drafted = image.draft(None, wanted) if scale < 1 else None
        return 1.0 if drafted is None else drafted[1][2] / width

    def _target(self, orientation: int) -> tuple[int, int]:
        """The result's (width, height), as the picture lies before it is turned."""
        size = self.width, self.height
        return size[::-1] if orientation >= 5 else size

    def _pixels(
        self, image: Any, full_size: tuple[int, int], orientation: int, shrunk: float = 1.0
    ) -> np.ndarray:
        """What is made of a picture that was decoded at `shrunk` times its full size."""
        profile = image.info.get("icc_profile")
        target = self._target(orientation)
        if shrunk == 1.0:
            full_size = image.size  # a TIFF has turned itself
        box, size, corner = place(full_size, target, self.fit, self.crop)
        left, top, right, bottom = (side * shrunk for side in box)
        resample = getattr(pillow().Resampling, self.resample.upper())
        # Colours and turns come last, when there are few pixels.
        small = plain(image, self.scales).resize(size, resample, box=(left, top, right, bottom))
        coloured = in_mode(shown(small, profile), self.mode, self.background)
        return self._as_array(_turned(self._padded(coloured, target, corner), orientation))

    def _padded(self, image: Any, target: tuple[int, int], corner: tuple[int, int]) -> Any:
        if image.size == target:
            return image
        colour = {"L": _grey(self.background), "RGB": self.background}
        ground = pillow().new(image.mode, target, colour.get(image.mode, (*self.background, 0)))
        ground.paste(image, corner)
        return ground

    def _as_array(self, image: Any) -> np.ndarray:
        contents = in_mode(image, self.mode, self.background).tobytes()
        pixels = np.frombuffer(contents, np.uint8).reshape(self.height, self.width, -1)
        return pixels.transpose(2, 0, 1)


def _grey(colour: tuple[int, int, int]) -> int:
    """The grey that Pillow makes of a colour."""
    return pillow().new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))


def _turned(image: Any, orientation: int) -> Any:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(getattr(pillow().Transpose, turn))


def _orientation(image: Any) -> int:
    """How a picture must be turned, by EXIF's numbers; 1, not at all, where nobody says."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever damaged notes make Pillow raise: the picture is there
        return 1
    return orientation if orientation in _TURNS else 1


def _identified(file: Any) -> Any:
    """An open file as a picture of Pillow's, of which only the header has been read.

    Raises
    ------
    ValueError
        If a plugin for its format is missing, or it is an ICO.
    """
    start = file.read(12)
    file.seek(0)
    known = ("JPEG",) if start[:3] == JPEG else formats()
    if start[:4] == ICON:  # which Pillow may take for a TGA
        raise ValueError("it is an ICO, which is never opened; save it as a PNG")
    try:
        return pillow().open(file, formats=known)
    except pillow().UnidentifiedImageError:
        if _is_name(file):
            raise ValueError(NAME) from None
        kind = BRANDS.get(start[8:]) if start[4:8] == b"ftyp" else None
        if kind is None or kind in known:
            raise
        raise ValueError(PLUGINS[kind]) from None


def _is_name(file: Any) -> bool:
    """Whether bytes that are no image look like the name of one.

    Whether there is such a file isn't looked at: strangers must not find out what a server has.
    """
    if not isinstance(file, io.BytesIO) or file.getbuffer().nbytes > LONGEST_NAME:
        return False
    endings = tuple(ending.encode() for each in SUFFIXES.values() for ending in each)
    return file.getvalue().lower().endswith(endings)


@contextlib.contextmanager
def _opened(source: Any) -> Iterator[tuple[Any, int]]:
    """An open file, and how many bytes it has.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is no file of bytes: a folder, a device, or opened as text.
    """
    if isinstance(source, str | os.PathLike):
        status = os.stat(source)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(NO_FILE)
        with open(source, "rb") as file:
            if status.st_size > READ_AT_ONCE:
                yield file, status.st_size
                return
            contents = file.read(status.st_size)
    else:
        contents = read_whole(source) if hasattr(source, "read") else bytes(source)
    if not isinstance(contents, bytes):
        raise ValueError(TEXT)
    yield io.BytesIO(contents), len(contents)


def of_nothing(path: Any) -> str:
    """What is said of a path that leads nowhere."""
    name = os.fsdecode(path)
    if "://" in name or name.startswith("data:"):
        return ADDRESS
    return HOME if name.startswith("~") else NOTHING


def is_seekable(file: Any) -> bool:
    """Whether an open file can be read again."""
    return bool(getattr(file, "seekable", lambda: False)())


def read_whole(file: Any) -> Any:
    """All of an open file, whatever was read of it before.

    Raises
    ------
    ValueError
        If it was opened as text.
    """
    if isinstance(file, io.TextIOBase):
        raise ValueError(TEXT)
    with _reading:
        if is_seekable(file):
            file.seek(0)
        return file.read()


def fingerprint(picture: Any) -> list[Any]:
    """Plain values that tell one of PIL's images from others: pixels, and how they are shown."""
    with _reading:
        picture.load()
        palette = picture.palette
        notes = [picture.info.get(name) for name in ("transparency", "icc_profile")]
        return [
            picture.mode,
            array_identity(np.asarray(picture)),
            None if palette is None else [palette.mode, bytes(picture.getpalette(None) or b"")],
            [repr(each) for each in notes],
            _orientation(picture),
        ]


def _known(source: Any) -> Any:
    if source is None or not (hasattr(source, "__array__") or isinstance(source, list | tuple)):
        raise ValueError(
            f"{source!r} is no image; expected a path, bytes, an open file, an image of PIL's or "
            "an array"
        )
    return source
