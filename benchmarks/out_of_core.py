"""Features of more images than fit into memory, from disk to disk, through dask.

    python benchmarks/out_of_core.py [--sizes 10000 100000 1000000] [--chunk 8192] [--threads N]
        [--folder FOLDER]

writes random images of 28×28 as zarr, extracts the seed network's 256 features
through ``transform`` of the dask array, and writes these as zarr. Each size is a
process of its own, so that its peak memory is its own. Printed: images a
second, the process's peak memory, and how much of that was there before the
first image was read.

A chunk is one task; `threads` of them are computed at a time, with one thread
of the kernels each, so that no more threads compute than there are cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_images(path: Path, count: int, chunk: int) -> None:
    """Random uint8 images, a chunk at a time."""
    import numpy as np
    import zarr

    array = zarr.create_array(path, shape=(count, 28, 28), chunks=(chunk, 28, 28), dtype="uint8")
    rng = np.random.default_rng(0)
    for start in range(0, count, chunk):
        array[start : start + chunk] = rng.integers(
            0, 256, (min(chunk, count - start), 28, 28), dtype=np.uint8
        )


def extract(folder: Path, count: int, threads: int) -> dict[str, float]:
    """Read, transform, write; what that took."""
    import dask
    import dask.array as da
    import numpy as np

    from convnet_features import ConvNetFeatureExtractor

    rng = np.random.default_rng(1)
    extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(
        rng.integers(0, 256, (500, 28, 28), dtype=np.uint8), np.arange(500) % 10
    )
    images = da.from_zarr(folder / "images.zarr")
    extractor.transform(np.zeros((1, 28, 28), np.uint8))
    before = peak_memory()
    began = time.perf_counter()
    with dask.config.set(scheduler="threads", num_workers=threads):
        extractor.transform(images).to_zarr(folder / "features.zarr")
    seconds = time.perf_counter() - began
    return {
        "images": count,
        "per_second": count / seconds,
        "megabytes": peak_memory(),
        "megabytes_before": before,
    }


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--chunk", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", type=int, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(extract(given.folder, given.one, given.threads)))
        return
    print(f"{'images':>9}  {'images/s':>9}  {'peak, MB':>9}  {'of that before, MB':>18}")
    for count in given.sizes:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            write_images(Path(folder) / "images.zarr", count, given.chunk)
            result = run_one(Path(folder), count, given.threads)
        print(
            f"{count:>9,}  {result['per_second']:>9,.0f}  {result['megabytes']:>9,.0f}  "
            f"{result['megabytes_before']:>18,.0f}"
        )


def run_one(folder: Path, count: int, threads: int) -> dict[str, float]:
    """`extract` in a process of its own."""
    command = [sys.executable, __file__, "--one", str(count), "--folder", str(folder)]
    environment = {**os.environ, "CONVNET_FEATURES_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        [*command, "--threads", str(threads)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
