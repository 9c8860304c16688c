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


@pytest.mark.parametrize("section", ["blas", "dnn", "lib", "nvcc", "warn"])
def test_sections_can_be_read_and_set(section):
    flags = getattr(theano.config, section)
    assert repr(flags).startswith(f"<theano.config.{section}: ")
    assert dir(flags)
    for name in dir(flags):
        getattr(flags, name)
    assert theano.config.lib.cnmem == 0.0
    assert theano.config.dnn.conv.algo_fwd == "small"
    before = theano.config.nvcc.fastmath
    theano.config.nvcc.fastmath = True
    assert theano.config.nvcc.fastmath is True
    theano.config.nvcc.fastmath = before


def test_an_unknown_flag_of_a_section_names_the_nearest():
    nearest = "the nearest flag is 'dnn.enabled'"
    for access in (
        lambda: theano.config.dnn.enable,
        lambda: setattr(theano.config.dnn, "enable", True),
    ):
        with pytest.raises(AttributeError) as error:
            access()
        assert str(error.value) == (
            f"theano.config has no flag 'dnn.enable' in convnet_features; {nearest}."
        )


def test_a_group_of_flags_is_no_flag():
    with pytest.raises(AttributeError) as error:
        theano.config.dnn = 1
    assert str(error.value) == (
        "theano.config.dnn is a group of flags; set one of them, such as "
        "theano.config.dnn.base_path."
    )


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
    assert in_new_process("import theano; print(theano.config.floatX)") == expected


def test_what_unused_inputs_do_is_a_flag():
    x, unused = theano.tensor.scalar("x"), theano.tensor.scalar("unused")
    with pytest.raises(Exception, match="not part of the computational graph"):
        theano.function([x, unused], x)
    theano.config.on_unused_input = "ignore"
    try:
        assert theano.function([x, unused], x + 1)(1, 2) == 2
        with pytest.raises(Exception, match="not part of the computational graph"):
            theano.function([x, unused], x, on_unused_input="raise")
    finally:
        theano.config.on_unused_input = "raise"


@pytest.mark.parametrize(
    "flag",
    """
    optimizer_including optimizer_excluding on_opt_error base_compiledir compute_test_value_opt
    traceback.limit numpy.seterr_all DebugMode.check_py NanGuardMode.nan_is_error cycle_detection
    profiling.n_ops conv.assert_shape tensor.cmp_sloppy unittests.rseed experimental.unpickle_gpu_on_cpu
    """.split(),  # noqa: SIM905
)
def test_flags_of_2018_are_there(flag):
    value = theano.config
    for part in flag.split("."):
        value = getattr(value, part)
