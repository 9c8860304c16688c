"""nolearn's functions of one batch: ``net.predict_iter_(Xb)``, ``net.eval_iter_(Xb, yb)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["BatchFunction"]


class BatchFunction:
    """A function of a batch, whose inputs may come by the names of their layers.

    Parameters
    ----------
    function : callable
        Of Xb, or of Xb and yb.

    Examples
    --------
    >>> sizes = BatchFunction(lambda Xb, yb: (len(Xb["words"]), len(yb)))
    >>> sizes({"words": [1, 2]}, [0, 1]) == sizes(words=[1, 2], y=[0, 1]) == (2, 2)
    True
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *batch: Any, **named: Any) -> Any:
        targets = [named.pop("y")] if "y" in named else []
        return self._function(*batch, *([named] if named else []), *targets)
