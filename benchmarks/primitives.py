"""A training step of a network beside the oneDNN primitives that it consists of.

    python benchmarks/primitives.py [--network seed] [--batch 128] [--rounds 30] [--threads N]

prints the time alone (run again and again on memory of its own) of each
primitive that a step would need without generated routines, and of each
primitive and routine that it does need; their sums, what the stack kernel needs
for forward_training and backward, and what a step of `fit` takes; then a forward
pass of one image. Rounds are interleaved, figures are
medians, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from contestants import Ours

from convnet_features import ConvNetClassifier
from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
    Stage,
    StageGraph,
)
from convnet_features.kernels.onednn.binding.declarations import Arg
from convnet_features.kernels.onednn.binding.objects import Primitive
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.onednn.program.program import Program
from convnet_features.kernels.onednn.program.routine import Routine
from convnet_features.kernels.registry import get_kernels

POOL = PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify")
DENSE = (DenseStage(activation="rectify"), DenseStage())
SAME = Conv2DSpec((1, 1), ((1, 1), (1, 1)))


@dataclass(frozen=True)
class Network:
    """What `peers.py` calls so, without its dropout."""

    stages: tuple[Stage, ...]
    image: tuple[int, int, int]
    shapes: tuple[tuple[int, ...], ...]


def network(stages: tuple[Stage, ...], image: tuple[int, int, int], *weights: Any) -> Network:
    """With the shapes of weights, and of biases as many as they have filters or units."""
    shapes = [
        shape for each in weights for shape in (each, (each[0] if len(each) == 4 else each[1],))
    ]
    return Network((*stages, *DENSE), image, tuple(shapes))


NETWORKS = {
    "seed": network(
        (ConvStage(Conv2DSpec()), POOL, ConvStage(Conv2DSpec()), POOL),
        (1, 28, 28),
        *((32, 1, 5, 5), (32, 32, 5, 5), (512, 256), (256, 10)),
    ),
    "cifar": network(
        (ConvStage(SAME, activation="rectify"), ConvStage(SAME), POOL) * 2,
        (3, 32, 32),
        *((64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3)),
        *((8192, 256), (256, 10)),
    ),
}

#: Where the maxima were, and room to compute in.
NO_NUMBERS = (Arg.WORKSPACE, Arg.SCRATCHPAD, "positions", "scratch")


class Step:
    """A training step, or a forward pass, of a network on made-up data."""

    def __init__(self, network: Network, batch: int) -> None:
        rng = np.random.default_rng(0)
        self.kernel = get_kernels("onednn").graph(StageGraph.chain(network.stages))
        self.x = rng.standard_normal((batch, *network.image), dtype=np.float32)
        self.params = [
            np.float32(0.05) * rng.standard_normal(shape, dtype=np.float32)
            for shape in network.shapes
        ]
        self.gy = rng.standard_normal((batch, 10), dtype=np.float32)

    def train(self) -> None:
        """forward_training and backward, without the gradient of the images."""
        ys, workspace = self.kernel.forward_training((self.x,), self.params)
        self.kernel.backward(workspace, (self.x,), self.params, ys, (self.gy,), (False,))

    def predict(self) -> None:
        """forward."""
        self.kernel.forward((self.x,), self.params)

    def programs(self) -> Iterator[Program]:
        """The programs behind what was called so far."""
        for plan in self.kernel.fast.forward_plans:
            yield plan.program
        yield from self.kernel.fast.backward_programs


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


def described(primitive: Primitive | Routine) -> str:
    """Short enough for a line."""
    description = primitive.description.split(", Conv")[0].split(", Pool")[0]
    return f"{description} ({primitive.implementation})"


class Parts:
    """The steps of a kernel's programs, each by itself, and what they took so far."""

    def __init__(self, step: Step, repeats: int) -> None:
        self.repeats = repeats
        self.singles = [
            (program.steps[index][0], alone(program, index))
            for program in step.programs()
            for index in range(len(program.steps))
        ]
        self.times: list[list[float]] = [[] for _ in self.singles]

    def measure(self) -> None:
        """One more round."""
        for times, (_, single) in zip(self.times, self.singles, strict=True):
            times.append(microseconds(single, self.repeats))

    def report(self) -> float:
        """Print each one's median, and their sum, which is returned."""
        medians = [statistics.median(times) for times in self.times]
        for median, (primitive, _) in zip(medians, self.singles, strict=True):
            print(f"{median:10.1f} µs  {described(primitive)}")
        print(f"{sum(medians):10.1f} µs  sum")
        return sum(medians)


@contextmanager
def only_onednn() -> Iterator[None]:
    """Programs made meanwhile have no generated routines."""
    before, thresholds.WORTH_GENERATING = thresholds.WORTH_GENERATING, 1 << 62
    try:
        yield
    finally:
        thresholds.WORTH_GENERATING = before


class Fit:
    """Training steps as `fit` takes them, on images in memory: drawing masks, updating and all."""

    def __init__(self, name: str, batch: int, n_steps: int) -> None:
        rng = np.random.default_rng(0)
        self.X = rng.random((n_steps * batch, *NETWORKS[name].image), dtype=np.float32)
        self.y = rng.integers(0, 10, len(self.X))
        self.n_steps = n_steps
        self.options = {
            "layers": Ours().layers(name),
            "batch_size": batch,
            "max_epochs": 1,
            "validation_fraction": None,
        }
        self.times: list[float] = []

    def measure(self) -> None:
        """One more round: the mean step of an epoch."""
        fitted = ConvNetClassifier(**self.options, random_state=0).fit(self.X, self.y)
        self.times.append(1e6 * fitted.history_[0]["duration"] / self.n_steps)


def training(name: str, batch: int, rounds: int) -> None:
    """A training step: oneDNN's primitives, this library's mixture, and what `fit` makes of it."""
    with only_onednn():
        plain = Step(NETWORKS[name], batch)
        plain.train()
    step = Step(NETWORKS[name], batch)
    step.train()
    primitives, parts, fit = Parts(plain, 3), Parts(step, 3), Fit(name, batch, 20)
    fit.measure()
    whole, fit.times = [], []
    for _ in range(rounds):
        whole.append(microseconds(step.train, 3))
        primitives.measure()
        parts.measure()
        fit.measure()
    print(f"a training step of {batch} images, by oneDNN's primitives:")
    theirs = primitives.report()
    print("with generated routines:")
    ours = parts.report()
    for what, times in (("forward_training + backward", whole), ("a step of fit", fit.times)):
        median = statistics.median(times)
        print(f"{median:10.1f} µs  {what}")
        print(f"{median / ours:10.2f}     times that sum; {median / theirs:.2f} times oneDNN's")


def one_image(name: str, rounds: int) -> None:
    """A forward pass."""
    step = Step(NETWORKS[name], 1)
    step.predict()
    parts, whole = Parts(step, 100), []
    for _ in range(rounds):
        whole.append(microseconds(step.predict, 100))
        parts.measure()
    print("one image:")
    ours, median = parts.report(), statistics.median(whole)
    print(f"{median:10.1f} µs  forward, from Python: {median / ours:.2f} times that sum")


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="seed")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    threads.set_num_threads(options.threads)
    print(f"{threads.get_num_threads()} threads")
    training(options.network, options.batch, options.rounds)
    one_image(options.network, options.rounds)


if __name__ == "__main__":
    main()
