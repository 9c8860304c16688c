"""Options and fixtures of the whole suite."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

# OpenBLAS's threads look for work for a tenth of a second after each product, which beside other
# processes costs more than the products. It reads this once, when NumPy is imported; so do the
# processes that tests start.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "5")

import numpy as np

_COULD_NOT_IMPORT = re.compile("could not import '([^']+)'")

# Machine code is kept in a folder of this run alone, also by the processes that tests start.
_CODE_FOLDER = tempfile.mkdtemp(prefix="convnet_features_code_")
os.environ["CONVNET_FEATURES_CODE_CACHE"] = _CODE_FOLDER

# Read before any test can change it.
_DATA_FOLDER = os.environ.get("CONVNET_FEATURES_DATA")


def pytest_addoption(parser):
    parser.addoption(
        "--run-slow", action="store_true", help="also run the tests that are marked slow"
    )
    parser.addoption(
        "--may-be-missing",
        metavar="NAME,...",
        help="fail if a test is skipped for want of any other module, instead of passing without it",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    if _missing_modules(session.config, skipped) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missing_modules(config, skipped):
    """The modules for want of which tests were skipped, though they ought to be installed."""
    allowed = config.getoption("--may-be-missing")
    if allowed is None:
        return set()
    names = {
        match[1] for report in skipped if (match := _COULD_NOT_IMPORT.search(str(report.longrepr)))
    }
    return names - set(allowed.split(","))


def pytest_unconfigure():
    shutil.rmtree(_CODE_FOLDER, ignore_errors=True)


def pytest_terminal_summary(terminalreporter, config):
    """What was missing; how many of scikit-learn's checks each estimator ran, and their ends."""
    missing = _missing_modules(config, terminalreporter.stats.get("skipped", ()))
    if missing:
        terminalreporter.section("not installed")
        for name in sorted(missing):
            terminalreporter.write_line(f"ERROR {name} is missing, and tests were skipped for it")
    _summarise_checks(terminalreporter)


def _summarise_checks(terminalreporter):
    """How many of scikit-learn's checks each estimator ran, and how they ended."""
    counts = {}
    for outcome in ("passed", "xfailed", "skipped", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if "test_sklearn_checks.py" in report.nodeid and "[" in report.nodeid:
                test, estimator = report.nodeid.rpartition("::")[2].split("[", 1)
                key = f"{estimator.split('(')[0]} ({test})"
                counts.setdefault(key, Counter())[outcome] += 1
    if counts:
        terminalreporter.section("scikit-learn's estimator checks")
    for key, ended in counts.items():
        outcomes = ", ".join(f"{number} {outcome}" for outcome, number in ended.items())
        terminalreporter.write_line(f"{key}: {sum(ended.values())} run, {outcomes}")


@pytest.fixture
def rng():
    """A generator that is the same for every test."""
    return np.random.default_rng(20150417)


@pytest.fixture(scope="session")
def data_folder():
    """The folder with the real data sets."""
    if not _DATA_FOLDER:
        pytest.skip("CONVNET_FEATURES_DATA is not set: no folder with the data sets")
    return Path(_DATA_FOLDER)
