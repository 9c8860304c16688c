"""Folders of photographs, one for each class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from .batch import LISTED
from .pillow import SUFFIXES

__all__ = ["load_image_folder"]

_ENDINGS = {ending for endings in SUFFIXES.values() for ending in endings}


def load_image_folder(
    folder: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> Bunch:
    """List the images of a folder that has one folder for each class; none is opened.

    Parameters
    ----------
    folder : path
        Its folders are the classes. All images within one belong to it, also in
        folders of its own, and where symbolic links lead: each folder once, and none
        that the link lies in.
    classes : sequence of str, default=None
        The folders to take, in this order; None takes all, in alphabetical order.
    description : str, default=None
        What `DESCR` says; None says where the images are from.

    Returns
    -------
    Bunch
        With ``filenames`` (ndarray of str, of shape (n_samples,)), class by
        class and in alphabetical order within; ``target`` (ndarray of int, of
        shape (n_samples,)), the number of each one's class; ``target_names``
        (list of str), the classes; ``DESCR`` (str).

    Raises
    ------
    ValueError
        If there is no such folder, a class is missing from it, or there are no
        images.

    Warns
    -----
    ConvNetFeaturesWarning
        One for all that is left out: files of other kinds, by their endings,
        empty files, files in no class's folder, links that lead nowhere; and for
        classes without images, which keep their numbers. Names that begin with a
        point are left out in silence.

    See Also
    --------
    ImageLoader : Reads the files.
    sklearn.datasets.load_files : The same of texts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from convnet_features.images import load_image_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     Image.new("RGB", (40, 30)).save(folder / name / "1.png")
    >>> found = load_image_folder(folder)
    >>> found.target_names, found.target
    (['cat', 'dog'], array([0, 1]))
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"load_image_folder: there is no folder {str(folder)!r}.")
    below = sorted(each.name for each in root.iterdir() if not each.name.startswith("."))
    names = [name for name in below if (root / name).is_dir()]
    left_out = [] if classes is not None else [n for n in below if n not in names]
    chosen = names if classes is None else _known(classes, root, names)
    filenames: list[str] = []
    target: list[int] = []
    for number, name in enumerate(chosen):
        images, others = _sorted_out(root / name)
        filenames += images
        target += [number] * len(images)
        left_out += [os.path.relpath(each, root) for each in others]
    if not filenames:
        raise ValueError(
            f"load_image_folder: {str(folder)!r} holds no images in "
            f"{'folders of its own' if not chosen else ', '.join(map(repr, chosen))}; each class "
            "needs a folder, whose name is the class's."
        )
    _warn(folder, left_out, [name for k, name in enumerate(chosen) if k not in set(target)])
    return Bunch(
        filenames=np.array(filenames),
        target=np.array(target),
        target_names=chosen,
        DESCR=description or f"Images of {len(chosen)} classes from {os.fspath(folder)}",
    )


def _known(classes: Sequence[str], root: Path, names: list[str]) -> list[str]:
    if isinstance(classes, str):
        raise ValueError(f"load_image_folder: classes must be a list; got {classes!r}.")
    missing = [name for name in classes if name not in names]
    if missing or len(set(classes)) < len(classes):
        raise ValueError(
            f"load_image_folder: classes={list(classes)!r}: each must be one of the folders of "
            f"{str(root)!r}, named once; there are {names!r}."
        )
    return list(classes)


def _sorted_out(folder: Path) -> tuple[list[str], list[str]]:
    """The images in a folder and in those within it, and the other files."""
    images: list[str] = []
    others: list[str] = []
    root = os.path.realpath(folder.parent)
    for path in _files(folder, _above(root), set()):
        readable = os.path.splitext(path)[1].lower() in _ENDINGS
        is_image = readable and os.path.isfile(path) and os.path.getsize(path) > 0
        (images if is_image else others).append(path)
    return images, others


def _above(folder: str) -> set[str]:
    """A folder and all its parents."""
    return {folder, *map(str, Path(folder).parents)}


def _files(folder: str | Path, within: set[str], seen: set[str]) -> Iterator[str]:
    """Depth first, by name, each folder once; links to folders that they lie in lead nowhere."""
    real = os.path.realpath(folder)
    if real in within or real in seen:
        return
    seen.add(real)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from _files(path, within | _above(real), seen)
        else:
            yield path


def _warn(folder: Any, left_out: list[str], empty: list[str]) -> None:
    parts = []
    if left_out:
        shown = ", ".join(map(repr, left_out[:LISTED]))
        more = f" and {len(left_out) - LISTED} more" if len(left_out) > LISTED else ""
        parts.append(f"{len(left_out)} files are left out, as no images of a class: {shown}{more}.")
    if empty:
        parts.append(f"Classes without images: {', '.join(map(repr, empty))}.")
    if parts:
        warnings.warn(
            f"load_image_folder({os.fspath(folder)!r}): {' '.join(parts)}",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )
