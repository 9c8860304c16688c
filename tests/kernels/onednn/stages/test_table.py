"""Every stage has a module that computes it."""

from __future__ import annotations

import inspect

import pytest

from convnet_features.kernels import contract
from convnet_features.kernels.onednn.stages.table import STAGES

pytestmark = pytest.mark.any_machine


def test_every_stage_is_in_the_table():
    kinds = {
        kind
        for kind in vars(contract).values()
        if inspect.isclass(kind) and issubclass(kind, contract.Stage)
    }
    assert set(STAGES) == kinds - {contract.Stage}


@pytest.mark.parametrize("module", STAGES.values(), ids=lambda module: module.__name__)
def test_every_module_has_both_directions(module):
    assert list(inspect.signature(module.forward).parameters) == ["emit", "node", "stage"]
    assert list(inspect.signature(module.backward).parameters) == [
        "emit",
        "record",
        "stage",
        "gradient",
    ]
