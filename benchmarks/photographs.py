"""Photographs in files: how fast they become arrays, what they cost a training, and their memory.

    pip install convnet-features[bench]
    python benchmarks/photographs.py [arrays] [epoch] [memory] [resume]
        [--files 2000] [--rounds 3] [--sides 64 224] [--counts 5000 50000]

JPEGs of 500×375 are cut from scikit-learn's two photographs at random. Without a word it prints
all four:

- arrays: they are decoded, cut to a square, made smaller and put into one uint8 array of (n, 3,
  side, side), by this library, PyTorch's DataLoader (two workers, batches of 64), Pillow in a
  plain loop and scikit-image's ImageCollection. Each contestant has a process of its own; they
  are asked in turn. The table shows images a second, by the clock and by the processors' time of
  all threads and processes (which other work on the machine changes less), and the largest memory
  of the first process, imports included; "times" is by how much ours is ahead by the clock, the
  median over rounds.
- epoch: decoding alone, an epoch of training alone, from an array, and an epoch of training from
  the files, in turn in one process, at 64×64 with the default network; with as many threads as
  there are processors for each, and with half of them for decoding and half for training. "of the
  longer" is the last one's time in those of the longer of the first two; "at least" is what the
  processors' time of the first two would take on all processors, were no moment lost: no overlap
  is quicker. Where either alone keeps all processors busy, that is the sum of both.
- memory: a process for each of `--counts` trains one epoch and predicts from so many files, of
  125×94 here. Its memory does not depend on their number.
- resume: the same with the largest of these numbers, two epochs and a `Checkpoint`. A process is
  killed (SIGKILL) in the second epoch, another goes on, and a third is never interrupted: their
  networks are compared bit by bit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 375, 500
#: Of the many files.
SMALL = WIDTH // 4, HEIGHT // 4
SECTIONS = ("arrays", "epoch", "memory", "resume")


def make_files(folder, count, size=(WIDTH, HEIGHT)):
    """Writes them; the first thousand differ."""
    from sklearn.datasets import load_sample_images

    rng, pictures = np.random.default_rng(0), load_sample_images().images
    contents = []
    for number in range(min(count, 1000)):
        top, left = rng.integers(427 - HEIGHT), rng.integers(640 - WIDTH)
        piece = pictures[number % 2][top : top + HEIGHT, left : left + WIDTH]
        file = io.BytesIO()
        Image.fromarray(piece).resize(size).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    for number in range(count):
        Path(folder, f"{number:05}.jpg").write_bytes(contents[number % len(contents)])


def paths_in(folder):
    return sorted(entry.path for entry in os.scandir(folder))


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


def scikit_image(paths, side):
    from skimage.io import ImageCollection, imread
    from skimage.transform import resize

    def load(path):
        colours = imread(path)
        edge = min(colours.shape[:2])
        top, left = (colours.shape[0] - edge) // 2, (colours.shape[1] - edge) // 2
        cut = colours[top : top + edge, left : left + edge]
        small = resize(cut, (side, side), anti_aliasing=True, preserve_range=True)
        return np.rint(small).astype(np.uint8).transpose(2, 0, 1)

    return lambda: ImageCollection(paths, load_func=load).concatenate()


CONTESTANTS = {
    "ours": ours,
    "PyTorch's DataLoader": pytorch,
    "Pillow in a loop": pillow,
    "ImageCollection": scikit_image,
}


def processor_time():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak():
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def taken(run):
    """Seconds, and processors' seconds."""
    clock, used = time.perf_counter(), processor_time()
    run()
    return time.perf_counter() - clock, processor_time() - used


def contest(name, folder, side):
    """In a process of its own: seconds, processors' seconds, and MiB."""
    run = CONTESTANTS[name](paths_in(folder), side)
    print(*taken(run), peak())


def epochs(folder, rounds, n_threads):
    """In a process of its own: seconds and processors' seconds of each, of each round."""
    from convnet_features import ConvNetClassifier, set_num_threads
    from convnet_features.images import ImageLoader

    set_num_threads(n_threads)
    paths = paths_in(folder)
    y = np.arange(len(paths)) % 2
    loader = ImageLoader(64)
    lazy, array = ImageLoader(64, lazy=True).transform(paths), loader.transform(paths)
    net = ConvNetClassifier(
        max_epochs=1, batch_size=64, validation_fraction=None, warm_start=True, random_state=0
    )
    net.fit(array[:128], y[:128])  # compiles
    for _ in range(rounds):
        for run in (
            lambda: loader.transform(paths),
            lambda: net.fit(array, y),
            lambda: net.fit(lazy, y),
        ):
            print(*taken(run))


def train(folder, n_epochs, checkpoint=None):
    """In a process of its own: seconds, MiB, and the digest of the trained network."""
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Checkpoint
    from convnet_features.images import ImageLoader

    paths = paths_in(folder)
    images = ImageLoader(32, lazy=True).transform(paths)
    y = np.arange(len(paths)) % 2
    net = ConvNetClassifier(
        max_epochs=n_epochs,
        batch_size=64,
        random_state=0,
        callbacks=[Checkpoint(checkpoint, resume=True)] if checkpoint else None,
    )
    from lasagne.layers import get_all_param_values  # as the facade is there by now

    began = time.perf_counter()
    predicted = net.fit(images, y).predict(images)
    digest = hashlib.sha256(predicted.tobytes())
    for each in get_all_param_values(net.network_):
        digest.update(each.tobytes())
    print(time.perf_counter() - began, peak(), digest.hexdigest())


def asked(*arguments):
    done = subprocess.run(command(*arguments), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def command(*arguments):
    return [sys.executable, __file__, *map(str, arguments)]


def print_arrays(folder, options):
    """Each contestant that is installed."""
    for side in options.sides:
        print(f"\n{options.files} JPEGs of {WIDTH}x{HEIGHT} to {side}x{side}")
        found = {name: [] for name in CONTESTANTS}
        for _ in range(options.rounds):
            for name, each in found.items():
                answer = asked("--contest", name, "--folder", folder, "--sides", side)
                each.append([float(number) for number in answer])
        print(f"  {'':<22}{'images/s':>10}{'per processor-second':>22}{'MiB':>7}{'times':>7}")
        for name, each in found.items():
            clock, used, memory = (statistics.median(column) for column in zip(*each, strict=True))
            pairs = zip(each, found["ours"], strict=True)
            ahead = statistics.median(theirs[0] / own[0] for theirs, own in pairs)
            print(
                f"  {name:<22}{options.files / clock:>10.0f}{options.files / used:>22.0f}"
                f"{memory:>7.0f}{ahead:>7.2f}"
            )


def print_epoch(folder, options):
    n_processors = len(os.sched_getaffinity(0))
    for n_threads in sorted({n_processors, max(1, n_processors // 2)}, reverse=True):
        arguments = ("--epochs", n_threads, "--folder", folder, "--rounds", options.rounds)
        rounds = np.array(asked(*arguments), float).reshape(options.rounds, 3, 2)
        print(f"\nAn epoch of {options.files} files at 64x64, threads for each: {n_threads}")
        print(f"  {'':<22}{'seconds':>10}{'processors seconds':>22}")
        for name, (clock, used) in zip(
            ("decoding alone", "training alone", "training from files"),
            np.median(rounds, axis=0),
            strict=True,
        ):
            print(f"  {name:<22}{clock:>10.2f}{used:>22.2f}")
        clock, used = rounds[..., 0], rounds[..., 1]
        longer, work = clock[:, :2].max(axis=1), used[:, :2].sum(axis=1)
        least = np.maximum(longer, work / n_processors)
        print(
            f"  of the longer: {np.median(clock[:, 2] / longer):.2f}; at least: "
            f"{np.median(least / longer):.2f}; processors' time, of the sum: "
            f"{np.median(used[:, 2] / work):.2f}"
        )


def print_memory(options):
    print()
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            make_files(folder, count, SMALL)
            seconds, memory, _ = asked("--train", 1, "--folder", folder)
        print(f"{count} files: {float(seconds):.0f} s, {float(memory):.0f} MiB at most", flush=True)


def print_resumed(options):
    count = max(options.counts)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as saved:
        make_files(folder, count, SMALL)
        arguments = ("--train", 2, "--folder", folder)
        began = time.perf_counter()
        with subprocess.Popen(command(*arguments, "--checkpoint", saved)) as child:
            while not list(Path(saved).rglob("last.safetensors")):
                if child.poll() is not None:
                    sys.exit("the training ended before it was killed")
                time.sleep(0.01)
            time.sleep((time.perf_counter() - began) / 3)  # in the second epoch
            child.kill()
            if child.wait() != -signal.SIGKILL:
                sys.exit("the training ended before it was killed; give larger --counts")
        print(f"\n{count} files, two epochs: killed after {time.perf_counter() - began:.0f} s")
        outcomes = {
            "gone on with": asked(*arguments, "--checkpoint", saved),
            "never interrupted": asked(*arguments),
        }
        for name, (seconds, memory, digest) in outcomes.items():
            print(f"  {name:<22}{float(seconds):.0f} s, {float(memory):.0f} MiB, {digest[:16]}…")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--counts", type=int, nargs="+", default=[5000, 50000])
    for hidden in ("--contest", "--folder", "--checkpoint"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--epochs", "--train"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contest:
        contest(options.contest, options.folder, *options.sides)
    elif options.epochs:
        epochs(options.folder, options.rounds, options.epochs)
    elif options.train:
        train(options.folder, options.train, options.checkpoint)
    elif unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(SECTIONS)}")
    else:
        print_all(options)


def print_all(options):
    sections = options.sections or SECTIONS
    if {"arrays", "epoch"} & set(sections):
        with tempfile.TemporaryDirectory() as folder:
            make_files(folder, options.files)
            if "arrays" in sections:
                print_arrays(folder, options)
            if "epoch" in sections:
                print_epoch(folder, options)
    if "memory" in sections:
        print_memory(options)
    if "resume" in sections:
        print_resumed(options)


if __name__ == "__main__":
    main()
