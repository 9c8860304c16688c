"""How images are laid out, on machines that need not be there."""

from __future__ import annotations

import pytest

from convnet_features.kernels.machine import Machine
from convnet_features.kernels.onednn.plan import layouts


@pytest.mark.parametrize(
    ("training", "vendor", "blocks"),
    [(True, "intel", True), (True, "amd", True), (False, "intel", False), (False, "amd", True)],
)
def test_layouts_that_oneDNN_is_asked_for(training, vendor, blocks):
    assert layouts.prefers_blocks(training, Machine("avx512", vendor)) == blocks


@pytest.mark.parametrize(
    ("first", "channels", "layout"),
    [
        ("plain", (16, 16), "plain"),
        ("channels last", (16, 16), "channels last"),
        ("blocks of 16 channels", (16, 32), "blocks of 16 channels"),
        ("blocks of 8 channels", (24, 8), "blocks of 8 channels"),
        ("blocks of 16 channels", (16, 24), "channels last"),
        ("blocks of 8 channels", (8, 3), "channels last"),
        ("oneDNN's own", (16, 16), "channels last"),
    ],
)
def test_layout_of_concatenated_images(first, channels, layout):
    assert layouts.layout_of_joined(first, channels) == layout


def test_plain_images_are_not_normalised_as_they_are():
    assert layouts.layout_of_normalised("plain") == "channels last"
    for each in ("channels last", "blocks of 16 channels", "rows", "oneDNN's own"):
        assert layouts.layout_of_normalised(each) == each
