"""The line that a warning names is the user's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

from convnet_features.caller import users_level

WARNING = "import warnings\ndef warn(call):\n    warnings.warn('now', stacklevel=call())\n"
THROUGH = "def through(function, *args):\n    return function(*args)\n"


def within(module, source, name):
    """A function as if it were in this module."""
    namespace = {"__name__": module}
    exec(source, namespace)
    return namespace[name]


@pytest.mark.parametrize("n_between", [0, 1, 4])
@pytest.mark.parametrize("package", ["convnet_features.training", "sklearn.pipeline", "joblib"])
def test_behind_any_number_of_calls(package, n_between):
    warn = within("convnet_features.training.guessing", WARNING, "warn")
    through = within(package, THROUGH, "through")
    line = [*[through] * n_between, warn]
    call = lambda: line[0](*line[1:], users_level)  # noqa: E731
    with pytest.warns(UserWarning, match="now") as caught:
        call()
    assert (caught[0].filename, caught[0].lineno) == (__file__, call.__code__.co_firstlineno)


def test_on_a_thread_it_is_the_caller_itself():
    """Nothing of the user's is there; Python's own modules of threads are no line of theirs."""
    with ThreadPoolExecutor(1) as threads, ThreadPool(1) as others:
        assert threads.submit(users_level).result() == 1
        assert others.apply(users_level) == 1


def test_a_package_of_a_similar_name_is_the_users():
    warn = within("convnet_features.training.guessing", WARNING, "warn")
    through = within("convnet_features_of_mine", THROUGH, "through")
    with pytest.warns(UserWarning, match="now") as caught:
        through(warn, users_level)
    assert caught[0].filename == "<string>"
