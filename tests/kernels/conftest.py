"""The providers under test."""

from __future__ import annotations

import importlib.metadata

import pytest

from convnet_features.kernels.registry import get_provider

ONEDNN_DISTRIBUTION = "onednn-cpu-gomp"


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("portable", marks=pytest.mark.any_machine),
        pytest.param("onednn", marks=pytest.mark.onednn),
    ],
)
def provider(request):
    """Each provider in turn. An absent one skips; one that fails to start is a failure."""
    if request.param == "onednn":
        try:
            importlib.metadata.version(ONEDNN_DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{ONEDNN_DISTRIBUTION} is not installed")
    found = get_provider(request.param)
    assert found.name == request.param
    return found
