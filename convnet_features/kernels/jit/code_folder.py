"""Where machine code is kept on disk, so that the next process need not make it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from ...files.private_cache import PrivateCache

__all__ = ["CODE_VARIABLE", "code_folder"]

#: An environment variable: a folder, or 0 for none.
CODE_VARIABLE = "CONVNET_FEATURES_CODE_CACHE"
OFF = "0"
#: A layer's code takes 4 to 40 KiB, a large network's a megabyte; bytes.
MAX_BYTES = 64 << 20


def code_folder() -> PrivateCache | None:
    """The cache of machine code; None where there is to be none.

    Raises
    ------
    ValueError
        The environment variable says neither that nor an absolute path.
    """
    chosen, caches, home = map(os.environ.get, (CODE_VARIABLE, "XDG_CACHE_HOME", "HOME"))
    return _folder(chosen or "", caches or "", home)


@lru_cache(maxsize=8)
def _folder(chosen: str, caches: str, home: str | None) -> PrivateCache | None:
    # Elsewhere no code is generated.
    if chosen == OFF or os.name != "posix":
        return None
    try:
        path = Path(chosen).expanduser() if chosen else _default(caches)
    except RuntimeError:
        # The user has no home.
        return None
    if not chosen and not path.is_absolute():
        # A home that is another folder from wherever it is seen.
        return None
    if not path.is_absolute():
        raise ValueError(
            f"{CODE_VARIABLE}={chosen!r} is not understood: it is {OFF} (no machine code is kept "
            f"on disk), or the full path of the folder to keep it in"
        )
    return PrivateCache(path, MAX_BYTES, CODE_VARIABLE)


def _default(caches: str) -> Path:
    """The user's folder of caches, as the XDG base directory specification has it."""
    home = Path(caches)
    if not home.is_absolute():
        home = Path("~/.cache").expanduser()
    return home / "convnet_features" / "code"
