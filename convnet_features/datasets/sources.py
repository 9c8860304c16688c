"""The places where the files of a data set are looked for, in order."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..exceptions import DatasetNotFoundError
from .catalogue import IdxDataset, IdxFile, read_checked
from .download import DownloadError, check_mirrors, fetch

__all__ = ["ENVIRONMENT_VARIABLE", "Location", "locate"]

ENVIRONMENT_VARIABLE = "CONVNET_FEATURES_DATA"

_SUFFIXES = (".gz", "")
_PICKLE_SUFFIXES = (".gz", ".pkl")
# A gzipped file may be a little longer than its contents, never much longer.
_SLACK_BYTES = 2**16


@dataclass(frozen=True)
class Location:
    """The files that were found.

    Attributes
    ----------
    files : mapping from str to Path, or None
        The four IDX files, by the keys of `IdxDataset.files`.
    pickle : Path or None
        The tutorial's pickle, where there are no IDX files.
    """

    files: Mapping[str, Path] | None = None
    pickle: Path | None = None


@dataclass
class _Search:
    """A search, and its report for the error if nothing is found."""

    dataset: IdxDataset
    looked: list[str] = field(default_factory=list)

    def in_folder(self, label: str, folder: Path) -> Location | None:
        """Look for the four files in a folder."""
        found = _files_in(folder, self.dataset)
        missing = [file.name for key, file in self.dataset.files.items() if key not in found]
        if not missing:
            return Location(files=found)
        reason = f"without {', '.join(missing)}" if folder.is_dir() else "no such folder"
        self.looked.append(f"{label}: {folder}: {reason}")
        return None

    def around(self, label: str, folder: Path) -> Location | None:
        """Look in the data set's own folder inside a folder, then in the folder itself."""
        return self.in_folder(label, folder / self.dataset.folder) or self.in_folder(label, folder)

    def for_pickle(self, label: str, folder: Path) -> Location | None:
        """Look for the tutorial's pickle in a folder that the user named."""
        if self.dataset.pickle_name is None:
            return None
        for path in (folder / self.dataset.pickle_name, self._own_folder_pickle(folder)):
            if path.is_file():
                return Location(pickle=path)
        self.looked.append(f"{label}: {folder}: without {self.dataset.pickle_name}")
        return None

    def _own_folder_pickle(self, folder: Path) -> Path:
        return folder / self.dataset.folder / str(self.dataset.pickle_name)

    def failed(self, downloads: str) -> DatasetNotFoundError:
        """The error of a search without result: the places that were tried, and the remedy."""
        data = self.dataset
        names = ", ".join(f"{file.name}.gz" for file in data.files.values())
        pickle = f", or {data.pickle_name} in the folder given as data_home" * bool(
            data.pickle_name
        )
        return DatasetNotFoundError(
            f"{data.title} was not found.\n"
            "Looked in\n"
            + "".join(f"  {line}\n" for line in self.looked)
            + f"Download: {downloads}\n"
            f"Expected files, gzipped or not: {names}{pickle}.\n"
            f"Put them into a folder named {data.folder}, and pass the folder that holds it as "
            f"data_home, or name it in the environment variable {ENVIRONMENT_VARIABLE}. "
            f"They are published at {data.mirrors[0]}."
        )


def locate(
    dataset: IdxDataset,
    data_home: str | os.PathLike[str] | None,
    *,
    download_if_missing: bool,
    mirrors: Sequence[str] | None,
    timeout: float,
    verbose: int,
) -> Location:
    """Find the files of a data set, or download them.

    Parameters
    ----------
    dataset : IdxDataset
    data_home, download_if_missing, mirrors, timeout, verbose
        As in `load_mnist`.

    Returns
    -------
    Location

    Raises
    ------
    DatasetNotFoundError
        If they are nowhere; it lists the places.
    """
    mirrors = check_mirrors(dataset.mirrors if mirrors is None else mirrors)
    search = _Search(dataset)
    home = None if data_home is None else Path(data_home).expanduser()
    for location in _local_places(search, home):
        if location is not None:
            return location
    cache = _cache_folder(dataset)
    if cached := search.in_folder("cache", cache):
        return cached
    if not download_if_missing:
        raise search.failed("not tried, because download_if_missing=False")
    target = cache if home is None else home / dataset.folder
    try:
        return _downloaded(dataset, target, mirrors, timeout, verbose)
    except DownloadError as fault:
        raise search.failed(str(fault).replace("\n", "\n  ")) from fault


def _local_places(search: _Search, home: Path | None) -> Iterator[Location | None]:
    """Yield the files in each place that the user named."""
    if home is None:
        search.looked.append("data_home: not given")
    elif home.is_file() or home.suffix in _PICKLE_SUFFIXES:
        yield _named_file(search, home)
    else:
        yield search.around("data_home", home)
        yield search.for_pickle("data_home", home)
    # No pickle is taken from here: setting a variable for a whole machine is not a
    # request to open one.
    if folder := os.environ.get(ENVIRONMENT_VARIABLE):
        yield search.around(ENVIRONMENT_VARIABLE, Path(folder).expanduser())
    else:
        search.looked.append(f"{ENVIRONMENT_VARIABLE}: not set")


def _named_file(search: _Search, path: Path) -> Location:
    """The file that the user named, without further search."""
    if search.dataset.pickle_name is None:
        search.looked.append(f"data_home: {path}: expected a folder")
    elif not path.is_file():
        search.looked.append(f"data_home: {path}: no such file")
    else:
        return Location(pickle=path)
    raise search.failed("not tried, because data_home names a file")


def _files_in(folder: Path, dataset: IdxDataset) -> dict[str, Path]:
    found = {}
    for key, file in dataset.files.items():
        candidates = (folder / f"{file.name}{suffix}" for suffix in _SUFFIXES)
        path = next((path for path in candidates if path.is_file()), None)
        if path is not None:
            found[key] = path
    return found


def _cache_folder(dataset: IdxDataset) -> Path:
    """Return the data set's folder under scikit-learn's, without creating either."""
    # `sklearn.datasets.get_data_home` would create the folder even for a mere look.
    home = os.environ.get("SCIKIT_LEARN_DATA") or os.path.join("~", "scikit_learn_data")
    return Path(os.path.expanduser(home), "convnet_features", dataset.folder)


def _downloaded(
    dataset: IdxDataset, folder: Path, mirrors: Sequence[str], timeout: float, verbose: int
) -> Location:
    """Download the files that a folder lacks."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        # A read-only home is common on clusters; the list of places shows the way out.
        raise DownloadError(f"{folder}: cannot be created: {fault.strerror}") from fault
    paths = _files_in(folder, dataset)
    for key, file in dataset.files.items():
        if key not in paths:
            paths[key] = folder / f"{file.name}.gz"
            _fetch_file(dataset, file, paths[key], mirrors, timeout, verbose)
    return Location(files=paths)


def _fetch_file(
    dataset: IdxDataset,
    file: IdxFile,
    target: Path,
    mirrors: Sequence[str],
    timeout: float,
    verbose: int,
) -> None:
    def check(path: Path, address: str) -> None:
        read_checked(str(path), file, dataset, name=address)

    fetch(
        mirrors,
        target.name,
        target,
        check,
        max_bytes=math.prod(file.shape) + _SLACK_BYTES,
        timeout=timeout,
        verbose=verbose,
    )
