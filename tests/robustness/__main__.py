"""Soak: the robustness tests over and over, with other seeds, for some minutes.

Usage: python -m tests.robustness [--minutes 10]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def outcome(seed, seconds, *options, whole=False):
    """Whether the robustness tests pass with a seed, in a process of their own; None if cut off.

    A crash ends that process alone, and is a failure. The first failure is shown at once, and
    ends the round: later a clock might cut off what there is to say of it.
    """
    command = [sys.executable, "-m", "pytest", str(HERE), "-qx", "-p", "no:cacheprovider", *options]
    environment = {
        **os.environ,
        "ROBUSTNESS_SEED": str(seed),
        "ROBUSTNESS_EFFORT": "3",
        "ROBUSTNESS_SECONDS": f"{seconds:.0f}",
    }
    # What takes long, and the first round, are finished, however long that takes: they are the
    # least that is asked.
    timeout = max(seconds, 1200) if whole else seconds
    try:
        ended = subprocess.run(command, env=environment, cwd=HERE.parents[1], timeout=timeout)
    except subprocess.TimeoutExpired:
        return None
    return ended.returncode == 0


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    end = time.monotonic() + seconds
    print("== what takes long", flush=True)
    outcomes = {"slow": outcome(options.seed, seconds, "--run-slow", "-m", "slow", whole=True)}
    seed = options.seed
    while (left := end - time.monotonic()) > 0 or seed == options.seed:
        print(f"== seed {seed}, {left / 60:.1f} minutes left", flush=True)
        outcomes[seed] = outcome(seed, left, whole=seed == options.seed)
        seed += 1
    words = {True: "passed", False: "FAILED", None: "cut off"}
    print("==", ", ".join(f"{what}: {words[each]}" for what, each in outcomes.items()))
    return False in outcomes.values()


if __name__ == "__main__":
    sys.exit(main())
