"""Numbers that parameters may be, in scikit-learn's form."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval

__all__ = ["COUNT", "NOT_NEGATIVE", "POSITIVE", "Number"]


class Number(Interval):
    """An interval of numbers, among which True and False do not count."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether `val` is a number, and in the interval."""
        return not isinstance(val, bool) and _fits_float(val) and super().is_satisfied_by(val)


def _fits_float(value: Any) -> bool:
    """Whether a whole number is one that a float can be."""
    try:
        return not isinstance(value, Integral) or math.isfinite(float(value))
    except OverflowError:
        return False


POSITIVE = Number(Real, 0, None, closed="neither")
NOT_NEGATIVE = Number(Real, 0, None, closed="left")
COUNT = Number(Integral, 1, None, closed="left")
