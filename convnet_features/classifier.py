"""The network as a classifier."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin

from ._base import BaseConvNet

__all__ = ["ConvNetClassifier"]


class ConvNetClassifier(ClassifierMixin, BaseConvNet):
    """A convolutional network as a scikit-learn classifier, which also transforms."""

    _kind = "classes"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
