"""This library against PyTorch and skorch, interleaved in one run.

    python benchmarks/peers.py [--rounds 5] [--only training transform ...] [--baseline CHECKOUT]
                               [--json FILE]

Every contestant lives in a process of its own and is asked in turn, round by
round; the table shows medians and how many times as fast this library is. A
baseline is this library too, as another checkout of it has it (``git worktree add
CHECKOUT COMMIT``): so a change is measured against what was before. The
extra ``bench`` installs the peers (on a machine without a GPU, with
``torch==2.13.0``, whose build needs none). ``--json`` keeps the seconds of every round, which
``python docs/pictures.py`` draws.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = ("ours", "ours, portable", "PyTorch tuned", "PyTorch eager", "skorch")
BASELINE = "ours, baseline"

#: name: (what is printed, requests that must have been made before, request, scale, unit)
WORK = {
    "training": ("training, seed network, batch 128", ["train", "seed", 6400, 128], 6400),
    "transform": ("transform, 10,000 images", ["transform", 10_000], 10_000),
    "one image": ("one image to the output", ["one_image", 300], None),
    "digits": ("training, 8x8, batch 32", ["train", "digits", 3200, 32], 3200),
    "cifar": ("training, CIFAR-size net, batch 128", ["train", "cifar", 384, 128], 384),
    "normalised": (
        "training, six convolutions with batch normalisation, batch 128",
        ["train", "normalised", 1280, 128],
        1280,
    ),
}
FRESH = {"first fit": ("first_fit", ("ours", "skorch")), "memory": ("peak_memory", ALL)}


def command(name):
    """What starts a contestant."""
    return [sys.executable, str(HERE / "contestants.py"), "ours" if name == BASELINE else name]


def environment(name, baseline):
    """The contestant's environment, whose path leads to one checkout of this library."""
    checkout = baseline if name == BASELINE else HERE.parent
    return {**os.environ, "PYTHONPATH": str(Path(checkout).resolve())}


class Process:
    """A contestant in its own process."""

    def __init__(self, name, baseline=None):
        self.name = name
        self.pipe = subprocess.Popen(
            command(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(name, baseline),
        )

    def ask(self, *request):
        self.pipe.stdin.write(json.dumps(request) + "\n")
        self.pipe.stdin.flush()
        answer = self.pipe.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended while it was asked {request}")
        return json.loads(answer)

    def close(self):
        self.pipe.stdin.close()
        self.pipe.wait()


def measure(work, processes, rounds):
    """{work: {contestant: [seconds, one a round]}}"""
    times = {name: {p.name: [] for p in processes} for name in work}
    for process in processes:  # warm everything up, and fit what later requests use
        process.ask("train", "seed", 1280, 128)
        for name in work:
            process.ask(*WORK[name][1])
    for _ in range(rounds):
        for name in work:
            for process in processes:
                if name in ("transform", "one image"):
                    process.ask("train", "seed", 256, 128)
                times[name][process.name].append(process.ask(*WORK[name][1]))
    return times


def fresh(verb, names, rounds, baseline=None):
    """{contestant: [one value a round]}, each in a fresh process."""
    values = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            answer = subprocess.check_output(
                [*command(name), verb], text=True, env=environment(name, baseline)
            )
            values[name].append(json.loads(answer))
    return values


def machine():
    """One line about the machine."""
    flags, model = "", platform.processor()
    try:
        info = Path("/proc/cpuinfo").read_text()
        model = next(
            line.split(":")[1].strip() for line in info.splitlines() if "model name" in line
        )
        flags = next(line for line in info.splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        pass
    vectors = next((kind for kind in ("avx512f", "avx2", "avx") if f" {kind}" in flags), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    vectors = vectors or platform.machine()
    return f"{model}, {cores} cores, {vectors}, CPython {platform.python_version()}"


def shown(seconds, count):
    return f"{count / seconds:,.0f}/s" if count else f"{seconds * 1e6:,.0f} µs"


def report_times(times):
    for name, by_contestant in times.items():
        title, _, count = WORK[name]
        print(f"\n{title}")
        ours = by_contestant["ours"]
        for contestant, seconds in by_contestant.items():
            ratios = [s / o for s, o in zip(seconds, ours, strict=True)]
            faster = (
                ""
                if contestant == "ours"
                else f"  ours is {statistics.median(ratios):.2f} times as fast"
            )
            spread = f"({shown(max(seconds), count)} to {shown(min(seconds), count)})"
            median = shown(statistics.median(seconds), count)
            print(f"  {contestant:<15} {median:>12} {spread:<26}{faster}")


def report_fresh(title, values, unit):
    print(f"\n{title}")
    ours = statistics.median(values["ours"])
    for name, each in values.items():
        ratio = "" if name == "ours" else f"  ours is {ours / statistics.median(each):.2f} of it"
        print(f"  {name:<15} {statistics.median(each):>10,.2f} {unit}{ratio}")


def record(path, times):
    """Write the seconds of every round, with the machine and the command."""
    work = {
        name: {"title": WORK[name][0], "images": WORK[name][2] or 1, "seconds": by_contestant}
        for name, by_contestant in times.items()
    }
    found = {"machine": machine(), "command": shlex.join(["python", *sys.argv]), "work": work}
    Path(path).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*WORK, *FRESH, "second fit"])
    parser.add_argument("--contestants", nargs="+", default=list(ALL), choices=ALL)
    parser.add_argument("--baseline", metavar="CHECKOUT")
    parser.add_argument("--json", metavar="FILE", help="where all rounds are written")
    options = parser.parse_args()
    contestants = list(options.contestants)
    if options.baseline:
        contestants.insert(1, BASELINE)
    chosen = options.only or [*WORK, *FRESH, "second fit"]
    print(machine())
    work = [name for name in WORK if name in chosen]
    if work or "second fit" in chosen:
        processes = [Process(name, options.baseline) for name in contestants]
        if work:
            times = measure(work, processes, options.rounds)
            report_times(times)
            if options.json:
                record(options.json, times)
        if "second fit" in chosen:
            before = [processes[0].ask("second_fit") for _ in range(options.rounds)]
            milliseconds = statistics.median(before) * 1e3
            print("\nsecond fit of a known architecture:")
            print(f"  {milliseconds:.1f} ms before the first batch")
        for process in processes:
            process.close()
    for name in FRESH:
        if name in chosen:
            verb, names = FRESH[name]
            names = [n for n in contestants if n in (*names, BASELINE)]
            unit, title = ("s", "import + first fit of 10 epochs on digits, fresh process")
            if name == "memory":
                unit, title = "MB", "peak memory, training the seed network on 20,000 images"
            report_fresh(title, fresh(verb, names, min(options.rounds, 3), options.baseline), unit)


if __name__ == "__main__":
    main()
