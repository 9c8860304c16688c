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


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    seed, failed = options.seed, []
    while time.monotonic() < end:
        print(f"== seed {seed}, {(end - time.monotonic()) / 60:.1f} minutes left", flush=True)
        # Every round begins in a fresh process: a crash ends the round, and is a failure.
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(HERE),
            "-q",
            "--run-slow",
            "-p",
            "no:cacheprovider",
        ]
        left = max(60.0, end - time.monotonic())
        environment = {
            **os.environ,
            "ROBUSTNESS_SEED": str(seed),
            "ROBUSTNESS_SECONDS": f"{left:.0f}",
        }
        if subprocess.run(command, env=environment, cwd=HERE.parents[1]).returncode:
            failed.append(seed)
        seed += 1
    print(f"== {seed - options.seed} rounds; failed with seeds: {failed or 'none'}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
