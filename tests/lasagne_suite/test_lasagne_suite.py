"""Lasagne 0.1's own tests pass, but for those in ``not_passing.txt``."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.lasagne_suite.__main__ import NO_DOWNLOAD, REPOSITORY
from tests.lasagne_suite.plugin import Reckoning, expected_not_to_pass


def run_suite(*options):
    command = [sys.executable, "-m", "tests.lasagne_suite", *options]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if result.returncode == NO_DOWNLOAD:
        pytest.skip(result.stderr.strip())
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.network
@pytest.mark.slow
def test_lasagnes_own_tests(capsys):
    output = run_suite()
    counts = re.search(r"^Lasagne 0.1: (\d+) tests passed, .*$", output, flags=re.MULTILINE)
    with capsys.disabled():
        print(f"\n{counts[0]}")
    assert int(counts[1]) >= 485


@pytest.mark.network
@pytest.mark.slow
def test_lasagnes_examples():
    run_suite("--runslow", "-k", "test_example")


def report(name, outcome, when="call"):
    return SimpleNamespace(nodeid=name, outcome=outcome, when=when, passed=outcome == "passed")


def reckoning(expected, **outcomes):
    reckoned = Reckoning(set(expected))
    for name, outcome in outcomes.items():
        reckoned.pytest_runtest_logreport(report(name, outcome))
    return reckoned.problems()


def test_the_reckoning_finds_what_is_wrong():
    assert reckoning(["a"], a="skipped", b="passed") == []
    assert reckoning([], a="failed") == ["does not pass (failed), and is not listed: a"]
    assert reckoning(["a"], a="passed") == ["passes, but is listed: a"]
    assert reckoning(["a"], b="passed") == ["does not exist, but is listed: a"]


def test_an_error_after_a_pass_is_no_pass():
    reckoned = Reckoning(set())
    reckoned.pytest_runtest_logreport(report("a", "passed"))
    reckoned.pytest_runtest_logreport(report("a", "failed", when="teardown"))
    assert reckoned.problems() == ["does not pass (failed), and is not listed: a"]


def test_only_tests_of_cuda_are_listed_as_impossible():
    impossible = expected_not_to_pass({"without --runslow": False, "without MNIST": False})
    assert len(impossible) <= 4
    assert not any("test_example" in name for name in impossible)
    assert len(expected_not_to_pass({})) == len(impossible) + 2
