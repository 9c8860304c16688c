"""The kernels under test."""

from __future__ import annotations

import importlib.metadata

import pytest

from convnet_features.kernels.registry import get_kernels

ONEDNN_DISTRIBUTION = "onednn-cpu-gomp"


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("portable", marks=pytest.mark.any_machine),
        pytest.param("onednn", marks=pytest.mark.onednn),
    ],
)
def kernels(request):
    """Each engine's kernels in turn. Absent ones skip; those that fail to start are a failure."""
    if request.param == "onednn":
        try:
            importlib.metadata.version(ONEDNN_DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{ONEDNN_DISTRIBUTION} is not installed")
    found = get_kernels(request.param)
    assert found.name == request.param
    return found
