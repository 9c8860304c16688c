"""The pytest plugin under which Lasagne's tests run: what they expect to find, and the reckoning.

Every test that does not pass must be in ``not_passing.txt``, and every entry
there must be a test that does not pass: the list can only shrink.
"""

from __future__ import annotations

import sys
import unittest.mock
from pathlib import Path

import convnet_features.theano_facade

LIST = Path(__file__).with_name("not_passing.txt")

#: What Lasagne's MNIST example reads, or else downloads from a server that is gone.
MNIST = Path("mnist.pkl.gz")


class Mock(unittest.mock.Mock):
    """A Mock that does not evaluate the properties of its spec, as that of Python 3.13.

    Lasagne's tests mock layers whose ``output_shape`` is not implemented.
    """

    def _mock_add_spec(self, spec, *args, **kwargs):
        if spec is None or isinstance(spec, type | list):
            super()._mock_add_spec(spec, *args, **kwargs)
            return
        super()._mock_add_spec(dir(spec), *args, **kwargs)
        self.__dict__["_spec_class"] = type(spec)


def pytest_configure(config):
    """Install the facade, and ``mock``, which is ``unittest.mock`` now."""
    convnet_features.theano_facade.install()
    sys.modules["mock"] = unittest.mock
    unittest.mock.Mock = Mock
    config.addinivalue_line("markers", "slow: Lasagne's examples")
    present = {"without --runslow": not config.getoption("--runslow", default=False)}
    present["without MNIST"] = present["without --runslow"] or not MNIST.exists()
    config.pluginmanager.register(Reckoning(expected_not_to_pass(present)), "reckoning")


def expected_not_to_pass(present):
    """The tests in the list, less those under a condition that `present` says does not hold.

    The list has lines ``# reason``, or ``# condition: reason``, and tests below each.
    """
    expected, applies = set(), True
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            applies = present.get(line.removeprefix("#").partition(":")[0].strip(), True)
        elif line.strip() and applies:
            expected.add(line.strip())
    return expected


class Reckoning:
    """Compares what passed with the list, once all tests have run."""

    def __init__(self, expected):
        self.expected = expected
        self.passed, self.others = set(), {}

    def pytest_deselected(self, items):
        """A test that was not asked for is not missed."""
        self.expected -= {item.nodeid for item in items}

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.others[report.nodeid] = report.outcome
            self.passed.discard(report.nodeid)
        elif report.when == "call":
            self.passed.add(report.nodeid)

    def problems(self):
        """What is wrong, a line each."""
        lines = [
            f"does not pass ({outcome}), and is not listed: {name}"
            for name, outcome in self.others.items()
            if name not in self.expected
        ]
        for name in sorted(self.expected - set(self.others)):
            passes = name in self.passed
            lines.append(f"{'passes' if passes else 'does not exist'}, but is listed: {name}")
        return lines

    def pytest_sessionfinish(self, session, exitstatus):
        # 0: all passed or skipped; 1: some failed, perhaps as listed.
        if exitstatus in (0, 1):
            session.exitstatus = 1 if self.problems() else 0

    def pytest_terminal_summary(self, terminalreporter):
        for problem in self.problems():
            terminalreporter.write_line(problem, red=True)
        terminalreporter.write_line(
            f"Lasagne 0.1: {len(self.passed)} tests passed, {len(self.others)} did not, "
            f"{len(self.expected)} of them as listed."
        )
