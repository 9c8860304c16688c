"""Whether graphs are fused: a switch for the whole process."""

from __future__ import annotations

import os

__all__ = ["get_fusion", "set_fusion"]

#: Set to 0 to begin with fusing turned off.
ENVIRONMENT = "CONVNET_FEATURES_FUSION"

_enabled = os.environ.get(ENVIRONMENT, "1") != "0"


def get_fusion() -> bool:
    """Whether what is compiled from now on is fused."""
    return _enabled


def set_fusion(enabled: bool) -> bool:
    """Turn the fusing of layers on or off for everything that is compiled from now on.

    Fused and plain programs give the same numbers, to rounding; plain ones are
    several times slower. The switch is there for finding out which of the two
    an unexpected number comes from. It begins turned on, or off where the
    environment variable ``CONVNET_FEATURES_FUSION`` is 0.

    Parameters
    ----------
    enabled : bool

    Returns
    -------
    bool
        What it was before.

    Examples
    --------
    >>> before = set_fusion(False)
    >>> get_fusion()
    False
    >>> _ = set_fusion(before)
    """
    global _enabled
    before, _enabled = _enabled, bool(enabled)
    return before
