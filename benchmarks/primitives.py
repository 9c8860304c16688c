"""A training step of the seed network beside the oneDNN primitives that it consists of.

    python benchmarks/primitives.py [--batch 128] [--rounds 30] [--threads N]

prints each primitive's time alone (run again and again on memory of its own),
the sum of these, and what the stack kernel needs for forward_training and
backward; then a forward pass of one image. Rounds are interleaved, figures are
medians, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.onednn.declarations import Arg
from convnet_features.kernels.onednn.objects import Primitive
from convnet_features.kernels.onednn.program import Program
from convnet_features.kernels.onednn.routine import Routine
from convnet_features.kernels.registry import get_provider

POOL = PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify")
STAGES = (
    ConvStage(Conv2DSpec()),
    POOL,
    ConvStage(Conv2DSpec()),
    POOL,
    DenseStage(activation="rectify"),
    DenseStage(),
)
SHAPES = ((32, 1, 5, 5), (32,), (32, 32, 5, 5), (32,), (512, 256), (256,), (256, 10), (10,))

#: Where the maxima were, and room to compute in.
NO_NUMBERS = (Arg.WORKSPACE, Arg.SCRATCHPAD, "winners", "scratch")


class Step:
    """A training step, or a forward pass, of the seed network on made-up data."""

    def __init__(self, batch: int) -> None:
        rng = np.random.default_rng(0)
        self.kernel = get_provider("onednn").stack(STAGES)
        self.x = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
        self.params = [np.float32(0.05) * rng.standard_normal(s, dtype=np.float32) for s in SHAPES]
        self.gy = rng.standard_normal((batch, 10), dtype=np.float32)

    def train(self) -> None:
        """forward_training and backward, without the gradient of the images."""
        y, workspace = self.kernel.forward_training(self.x, self.params)
        self.kernel.backward(workspace, self.x, self.params, y, self.gy, False)

    def predict(self) -> None:
        """forward."""
        self.kernel.forward(self.x, self.params)

    def programs(self) -> Iterator[Program]:
        """The programs behind what was called so far."""
        for plan in self.kernel._forward_plans._entries.values():
            yield plan.program
        yield from self.kernel._backward_programs._entries.values()


def alone(program: Program, index: int) -> Callable[[], None]:
    """One step of a program, to be run by itself on memory of its own."""
    rng = np.random.default_rng(index)
    primitive, arguments = program.steps[index]
    single = Program(program.primitives, program.pool, program.num_threads)
    arrays, mine = {}, {}
    for arg, value in arguments.items():
        name = str(arg)
        size = max(1, -(-value.desc.size // 4))
        ours = isinstance(primitive, Routine)
        if (primitive.arguments[arg] if ours else arg) in NO_NUMBERS:
            arrays[name] = np.zeros(4 * size, dtype=np.uint8)
        else:
            arrays[name] = rng.standard_normal(size, dtype=np.float32)
        mine[arg] = single.external(name, value.desc)
    single.steps.append((primitive, mine))
    single.finish()
    return lambda: single.execute(arrays)


def microseconds(function: Callable[[], None], repeats: int) -> float:
    """The mean of a few runs in a row, the first of them not counted."""
    function()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return 1e6 * (time.perf_counter() - start) / repeats


def name(primitive: Primitive | Routine) -> str:
    """Short enough for a line."""
    description = primitive.description.split(", Conv")[0].split(", Pool")[0]
    return f"{description} ({primitive.implementation})"


def compare(batch: int, rounds: int, repeats: int, training: bool) -> None:
    """Print one table."""
    step = Step(batch)
    work = step.train if training else step.predict
    work()
    singles = [
        (program.steps[index][0], alone(program, index))
        for program in step.programs()
        for index in range(len(program.steps))
    ]
    whole: list[float] = []
    parts: list[list[float]] = [[] for _ in singles]
    for _ in range(rounds):
        whole.append(microseconds(work, repeats))
        for times, (_, single) in zip(parts, singles, strict=True):
            times.append(microseconds(single, repeats))
    total = arithmetic = 0.0
    for times, (primitive, _) in zip(parts, singles, strict=True):
        median = statistics.median(times)
        total += median
        arithmetic += 0 if primitive.description.startswith("reorder") else median
        print(f"{median:10.1f} µs  {name(primitive)}")
    median = statistics.median(whole)
    what = "forward_training + backward" if training else "forward"
    print(f"{total:10.1f} µs  sum of the primitives; {arithmetic:.1f} without reorders")
    print(f"{median:10.1f} µs  {what}, {batch} images, from Python")
    print(f"{median / total:10.2f}     times the sum; {median / arithmetic:.2f} without reorders")


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    threads.set_num_threads(options.threads)
    print(f"{threads.get_num_threads()} threads; a training step of {options.batch} images:")
    compare(options.batch, options.rounds, 3, training=True)
    print("one image:")
    compare(1, options.rounds, 100, training=False)


if __name__ == "__main__":
    main()
