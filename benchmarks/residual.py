"""A small residual network: seconds of training and of features.

    python benchmarks/residual.py [--rounds 5] [--threads 2]

Prints medians of processor time (of all threads) and of wall time. To compare two states of
the library, run it from each of two checkouts, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from convnet_features import ConvNetFeatureExtractor
from convnet_features.kernels.threads import set_num_threads
from convnet_features.network.presets import small_resnet

N_IMAGES = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="as many as there are")
    options = parser.parse_args()
    set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_IMAGES, 3, 32, 32)).astype(np.float32)
    y = rng.integers(0, 10, N_IMAGES)
    extractor = ConvNetFeatureExtractor(
        small_resnet(),
        feature_layer="pool",
        max_epochs=1,
        batch_size=64,
        validation_fraction=None,
        random_state=0,
    )
    extractor.fit(X, y)
    extractor.transform(X)
    for what, work in (
        ("one epoch of training", lambda: extractor.fit(X, y)),
        ("features", lambda: extractor.transform(X)),
    ):
        processor, wall = measured(work, options.rounds)
        print(
            f"{what} of {N_IMAGES:,} images of 3×32×32: {processor:.3f} s of processor time, "
            f"{wall:.3f} s of wall time"
        )


def measured(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians of processor time and wall time."""
    times = []
    for _ in range(rounds):
        before = time.process_time(), time.perf_counter()
        work()
        times.append((time.process_time() - before[0], time.perf_counter() - before[1]))
    return tuple(statistics.median(column) for column in zip(*times, strict=True))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
