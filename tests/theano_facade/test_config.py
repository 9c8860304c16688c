"""theano.config."""

from __future__ import annotations

import pytest
import theano


def test_flags_of_2015():
    assert theano.config.device == "cpu"
    assert theano.config.device.startswith("cpu")
    assert theano.config.compute_test_value == "off"
    assert {"floatX", "device", "mode"} <= set(dir(theano.config))
    assert repr(theano.config) == "FacadeConfig(floatX='float32', device='cpu')"


def test_flags_without_effect_can_be_set():
    theano.config.optimizer = "None"
    assert theano.config.optimizer == "None"
    theano.config.optimizer = "fast_run"
    theano.config.compute_test_value = "off"


def test_an_unknown_flag_names_the_nearest():
    with pytest.raises(AttributeError, match=r"no flag 'floatx'.*the nearest flag is 'floatX'"):
        theano.config.floatx  # noqa: B018
    with pytest.raises(AttributeError, match=r"no flag 'devise'.*the nearest flag is 'device'"):
        theano.config.devise = "cpu"


def test_a_value_that_cannot_be_is_an_error():
    with pytest.raises(ValueError, match=r"floatX must be one of .*; got 'float8'"):
        theano.config.floatX = "float8"
    with pytest.raises(NotImplementedError, match="device is always 'cpu' here; got 'gpu'"):
        theano.config.device = "gpu"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("device=gpu, floatX=float64", "float64"),
        ("floatX=float32", "float32"),
        ("floatX=float16", "float32"),
        ("", "float32"),
    ],
)
def test_theano_flags_may_choose_floatx(monkeypatch, in_new_process, flags, expected):
    monkeypatch.setenv("THEANO_FLAGS", flags)
    assert (
        in_new_process("import convnet_features, theano; print(theano.config.floatX)") == expected
    )
