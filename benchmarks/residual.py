"""A small residual network: seconds of training and of features.

    python benchmarks/residual.py [--rounds 5] [--threads 2] [--slices]

Prints medians of processor time (of all threads) and of wall time. To compare two states of
the library, run it from each of two checkouts, in turn. With --slices, how long features take
by the bytes of a slice, of a network with as many filters as ResNet-18.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from convnet_features import ConvNetFeatureExtractor
from convnet_features.kernels.threads import set_num_threads
from convnet_features.network import model
from convnet_features.network.presets import small_resnet

N_IMAGES = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="as many as there are")
    parser.add_argument("--slices", action="store_true")
    options = parser.parse_args()
    set_num_threads(options.threads)
    if options.slices:
        compare_slices(options.rounds)
        return
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


def compare_slices(rounds: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((32, 3, 56, 56)).astype(np.float32)
    y = rng.integers(0, 2, len(X))
    extractor = ConvNetFeatureExtractor(
        small_resnet(widths=(64, 128, 256, 512), n_blocks=2),
        feature_layer="pool",
        max_epochs=1,
        batch_size=16,
        validation_fraction=None,
        random_state=0,
    ).fit(X, y)
    for megabytes in (2, 4, 8, 16, 32, 64):
        model.SLICE_BYTES = (megabytes << 20, megabytes << 20)
        n_images = extractor._model.slice_size
        extractor.transform(X)
        processor, _ = measured(lambda: extractor.transform(X), rounds)
        print(f"slices of {megabytes} MiB, {n_images} images: {processor:.3f} s")


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
