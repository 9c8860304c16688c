"""The network as a regressor."""

from __future__ import annotations

from sklearn.base import RegressorMixin

from ._base import BaseConvNet

__all__ = ["ConvNetRegressor"]


class ConvNetRegressor(RegressorMixin, BaseConvNet):
    """A convolutional network as a scikit-learn regressor, which also transforms."""

    _kind = "numbers"
