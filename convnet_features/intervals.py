"""Numbers that parameters may be, in scikit-learn's form."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval

__all__ = ["COUNT", "NOT_NEGATIVE", "POSITIVE", "SHARE", "Number", "Pair"]


class Number(Interval):
    """An interval of numbers, among which True and False do not count."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether `val` is a number, and in the interval."""
        return not isinstance(val, bool) and _fits_float(val) and super().is_satisfied_by(val)


class Pair(Number):
    """Two numbers of an interval, the smaller first."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether `val` is a tuple or list of two such numbers, in their order."""
        if not isinstance(val, tuple | list) or len(val) != 2:
            return False
        return all(map(super().is_satisfied_by, val)) and val[0] <= val[1]

    def __str__(self) -> str:
        return f"a pair (least, largest) of {super().__str__().replace('a float', 'floats')}"


def _fits_float(value: Any) -> bool:
    """Whether a whole number is one that a float can be."""
    try:
        return not isinstance(value, Integral) or math.isfinite(float(value))
    except OverflowError:
        return False


POSITIVE = Number(Real, 0, None, closed="neither")
NOT_NEGATIVE = Number(Real, 0, None, closed="left")
COUNT = Number(Integral, 1, None, closed="left")
SHARE = Number(Real, 0, 1, closed="both")
