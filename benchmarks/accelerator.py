"""This library on JAX against PyTorch on the same device: training, and features.

    python benchmarks/accelerator.py [--rounds 5] [--images N] [--transformed N]

The device is a GPU if both find one (JAX needs its plugin: ``pip install "jax[cuda12]"``),
else the processor. The network is the seed's, with batches of 128 images, which begin and
end in the host's memory. Each library has a process of its own; they are asked in turn,
after a round that compiles. The table shows medians. Products are of float32, and on a GPU
also of 19 bits (TF32), PyTorch's default for convolutions there.
"""

from __future__ import annotations

import argparse
import os
import statistics

from peers import Process, machine, shown

PAIRS = [("ours on JAX", "PyTorch"), ("ours on JAX, TF32", "PyTorch, TF32")]


def measure(pair, work, rounds):
    """{what: ([seconds of ours], [seconds of PyTorch's])}, one number a round."""
    times = {title: ([], []) for title in work}
    for position in range(rounds + 1):
        for title, (_, *request) in work.items():
            for process, seconds in zip(pair, times[title], strict=True):
                taken = process.ask(*request)
                if position:  # the first round compiles
                    seconds.append(taken)
    return times


def report(names, work, times):
    for title, (count, *_) in work.items():
        print(f"\n{title}")
        for name, seconds in zip(names, times[title], strict=True):
            spread = f"({shown(max(seconds), count)} to {shown(min(seconds), count)})"
            print(f"  {name:<18} {shown(statistics.median(seconds), count):>12} {spread}")
        ratio = statistics.median(t / o for o, t in zip(*times[title], strict=True))
        print(f"  ours is {ratio:.2f} times as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="to train on: 64,000 on a GPU, else 6,400")
    parser.add_argument("--transformed", type=int, help="100,000 on a GPU, else 10,000")
    given = parser.parse_args()
    # JAX would otherwise take most of the card's memory when it starts.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    print(machine())
    for names in PAIRS:
        pair = [Process(name) for name in names]
        devices = [process.ask("device") for process in pair]
        kinds = {device.split(":")[0] for device in devices}
        if len(kinds) > 1:
            raise SystemExit(f"They do not compute on the same device: {devices}.")
        on_gpu = kinds != {"cpu"}
        images = given.images or (64_000 if on_gpu else 6_400)
        transformed = given.transformed or (100_000 if on_gpu else 10_000)
        if names == PAIRS[0]:
            print(devices[1])
        work = {
            f"training on {images:,} images": (images, "train", "seed", images, 128),
            f"features of {transformed:,} images": (transformed, "transform", transformed),
        }
        report(names, work, measure(pair, work, given.rounds))
        for process in pair:
            process.close()
        if not on_gpu:
            break


if __name__ == "__main__":
    main()
