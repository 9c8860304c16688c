"""Where machine code is kept between processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnet_features.kernels.jit.code_folder import CODE_VARIABLE, code_folder


@pytest.fixture
def environment(monkeypatch):
    def set_to(chosen=None, caches=None, home="/home/someone"):
        values = {CODE_VARIABLE: chosen, "XDG_CACHE_HOME": caches, "HOME": home}
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return code_folder()

    return set_to


def test_the_suite_keeps_out_of_the_user_s_folder():
    home = Path("~").expanduser()
    assert not code_folder().path.is_relative_to(home / ".cache")


@pytest.mark.parametrize(
    ("chosen", "caches", "expected"),
    [
        (None, None, "/home/a/.cache/convnet_features/code"),
        ("", "", "/home/a/.cache/convnet_features/code"),
        (None, "/caches", "/caches/convnet_features/code"),
        (None, "caches", "/home/a/.cache/convnet_features/code"),  # as the specification has it
        ("/here", "/caches", "/here"),
        ("~/here", None, "/home/a/here"),
    ],
)
def test_where_it_is(environment, chosen, caches, expected):
    assert environment(chosen, caches, "/home/a").path == Path(expected)


@pytest.mark.parametrize("home", [".", "users/a"])
def test_there_is_none_in_a_home_that_is_no_full_path(environment, home):
    assert environment(home=home) is None


def test_one_variable_turns_it_off(environment):
    assert environment("0", "/caches") is None


@pytest.mark.parametrize("chosen", ["1", "off", "caches/here"])
def test_what_is_neither_is_an_error(environment, chosen):
    text = (
        rf"CONVNET_FEATURES_CODE_CACHE='{chosen}' is not understood: it is 0 \(no machine code "
        r"is kept on disk\), or the full path of the folder to keep it in"
    )
    with pytest.raises(ValueError, match=text):
        environment(chosen)


def test_it_is_one_object_as_long_as_the_environment_is(environment):
    assert environment("/here") is environment("/here")
    assert environment("/there").path == Path("/there")
