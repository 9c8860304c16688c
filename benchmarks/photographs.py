"""Photographs to arrays: this library, Pillow in a loop, and PyTorch's DataLoader on Pillow.

    python benchmarks/photographs.py [--files 2000] [--rounds 3] [--sides 64 224]
    python benchmarks/photographs.py --lazy 2000 10000

JPEGs of 500×375, cut from scikit-learn's two photographs at random, are decoded, cut to a
square, made smaller and put into one uint8 array of (n, 3, side, side). Each contestant has a
process of its own; they are asked in turn. The table shows images a second, by the clock and
by the processors' time of all threads and processes (which other work on the machine changes
less), and the largest memory of the first process, imports included. DataLoader has two workers
and batches of 64.

With --lazy, a process for each number of files trains one epoch from `LazyImages` of 64×64 and
computes features: its memory does not depend on the number.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 375, 500


def make_files(folder, count):
    """Writes them, and gives their paths; the first thousand differ."""
    from sklearn.datasets import load_sample_images

    rng, pictures = np.random.default_rng(0), load_sample_images().images
    contents = []
    for number in range(min(count, 1000)):
        top, left = rng.integers(427 - HEIGHT), rng.integers(640 - WIDTH)
        piece = pictures[number % 2][top : top + HEIGHT, left : left + WIDTH]
        file = io.BytesIO()
        Image.fromarray(piece).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(contents[number % len(contents)])
    return paths


def paths_in(folder):
    return sorted(Path(folder).glob("*.jpg"))


def square(path, side):
    """One file as anyone would read it."""
    with Image.open(path) as image:
        colours = image.convert("RGB")
    edge = min(colours.size)
    left, top = (colours.size[0] - edge) / 2, (colours.size[1] - edge) / 2
    box = (left, top, left + edge, top + edge)
    small = colours.resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.asarray(small).transpose(2, 0, 1)


def ours(paths, side):
    from convnet_features.images import ImageLoader

    loader = ImageLoader(side, n_jobs=2)
    loader.transform(paths[:2])
    return lambda: loader.transform(paths)


def pillow(paths, side):
    return lambda: np.stack([square(path, side) for path in paths])


def pytorch(paths, side):
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Files(Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, row):
            return torch.from_numpy(square(paths[row], side).copy())

    return lambda: torch.cat(list(DataLoader(Files(), batch_size=64, num_workers=2))).numpy()


CONTESTANTS = {"ours": ours, "Pillow": pillow, "PyTorch's DataLoader": pytorch}


def processor_time():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak():
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def contest(name, folder, side):
    """In a process of its own: seconds, processors' seconds, and MiB."""
    run = CONTESTANTS[name](paths_in(folder), side)
    clock, used = time.perf_counter(), processor_time()
    run()
    print(time.perf_counter() - clock, processor_time() - used, peak())


def train(folder):
    """In a process of its own: MiB of training and features from files."""
    from convnet_features import ConvNetFeatureExtractor
    from convnet_features.images import ImageLoader

    paths = paths_in(folder)
    images = ImageLoader(64, lazy=True).transform(paths)
    y = np.arange(len(paths)) % 2
    began = time.perf_counter()
    extractor = ConvNetFeatureExtractor(max_epochs=1, batch_size=64, random_state=0)
    extractor.fit(images, y).transform(images)
    print(time.perf_counter() - began, peak())


def asked(*arguments):
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


def compare(folder, n_files, sides, rounds):
    for side in sides:
        print(f"\n{n_files} JPEGs of {WIDTH}x{HEIGHT} to {side}x{side}, medians of {rounds} rounds")
        found = {name: [] for name in CONTESTANTS}
        for _ in range(rounds):
            for name, each in found.items():
                each.append(asked("--contest", name, "--folder", folder, "--sides", side))
        print(f"  {'':<22}{'images/s':>10}{'per processor-second':>22}{'MiB':>7}")
        for name, each in found.items():
            clock, used, memory = (statistics.median(column) for column in zip(*each, strict=True))
            print(f"  {name:<22}{n_files / clock:>10.0f}{n_files / used:>22.0f}{memory:>7.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--lazy", type=int, nargs="+")
    parser.add_argument("--contest", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contest:
        contest(given.contest, given.folder, *given.sides)
    elif given.train:
        train(given.folder)
    elif given.lazy:
        for count in given.lazy:
            with tempfile.TemporaryDirectory() as folder:
                make_files(Path(folder), count)
                seconds, memory = asked("--train", "--folder", folder)
            print(f"{count} files: {seconds:.0f} s, {memory:.0f} MiB at most")
    else:
        with tempfile.TemporaryDirectory() as folder:
            make_files(Path(folder), given.files)
            compare(folder, given.files, given.sides, given.rounds)


if __name__ == "__main__":
    main()
