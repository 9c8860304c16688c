"""A coverage-guided fuzzer on everything that reads files of strangers.

Usage: python -m tests.robustness.fuzz PARSER [--seconds 60] [--corpus FOLDER]

atheris changes files so that they reach new branches of our parsers. It ends
with an error at the first outcome that is neither something read nor one of
our documented errors, at 2 GiB of memory, and at ten seconds for one file.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import pickle
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["PARSERS", "Parser"]


class Parser(NamedTuple):
    """What is fuzzed.

    Attributes
    ----------
    seeds : callable
        Sound files to begin with.
    reader : callable
        Imports the parser, and returns a function of (contents, where a file may be put).
    """

    seeds: Callable[[], list[bytes]]
    reader: Callable[[], Callable[[bytes, Path], object]]


def written(write):
    """What `write` writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed"
        write(path)
        return path.read_bytes()


def from_file(read):
    """`read`, which takes a path, on contents."""

    def reader(data, path):
        path.write_bytes(data)
        return read(path)

    return reader


def idx_seeds():
    numbers = np.random.default_rng(0).integers(0, 255, (7, 5, 3), np.uint8).tobytes()
    return [struct.pack(">4B3I", 0, 0, 8, 3, 7, 5, 3) + numbers]


def idx_reader():
    from convnet_features.datasets import idx

    return lambda data, path: idx.read_idx(io.BytesIO(data), max_bytes=1 << 20)


def safetensors_seeds():
    from convnet_features.files.safetensors import write_arrays

    arrays = {"a": np.ones((2, 3), np.float32), "b": np.arange(4)}
    return [written(lambda path: write_arrays(path, arrays, {"layers": ["a", "b"]}))]


def safetensors_reader():
    from convnet_features.files import safetensors

    return from_file(safetensors.read_arrays)


#: Parameters of a network for `NeuralNet.load_params_from`.
VALUES = {"dense": [np.ones((2, 3), np.float32), np.zeros(3, np.float32)], "input": []}


def archive_seeds():
    from convnet_features.files.layer_values import write_values

    return [written(lambda path: write_values(path, VALUES))]


def pickle_seeds():
    ordered = collections.OrderedDict(VALUES)
    return [pickle.dumps(each, protocol) for each in (VALUES, ordered) for protocol in (0, 2, 4)]


def values_reader():
    from convnet_features.files import layer_values

    return from_file(lambda path: layer_values.read_values(path, VALUES))


def tutorial_seeds():
    rng = np.random.default_rng(0)
    pairs = tuple((rng.random((n, 4), np.float32), np.arange(n)) for n in (3, 2))
    return [pickle.dumps(pairs, protocol) for protocol in (1, 2, 4)]


def tutorial_reader():
    from convnet_features.datasets import tutorial_pickle

    return from_file(lambda path: tutorial_pickle.read_tutorial_pickle(path, (3, 2), 4))


def onnx_seeds():
    from convnet_features import ConvNetClassifier
    from convnet_features.onnx import to_onnx

    X, y = np.random.default_rng(0).random((20, 1, 9, 8)), np.arange(20) % 2
    small = {"conv2d1_num_filters": 2, "conv2d2_num_filters": 2, "dense_num_units": 3}
    network = ConvNetClassifier(max_epochs=1, random_state=0, **small).fit(X, y)
    return [to_onnx(network, X, features=each).SerializeToString() for each in (True, False)]


def onnx_reader():
    from convnet_features import onnx

    return lambda data, path: onnx.from_onnx(data, engine="portable")


def image_seeds():
    from PIL import Image

    seeds = []
    ramp = Image.linear_gradient("L").resize((13, 7))
    for kind, mode in (
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("TIFF", "LA"),
        ("WEBP", "RGB"),
        ("PPM", "L"),
        ("TGA", "RGB"),
    ):
        file = io.BytesIO()
        ramp.convert(mode).save(file, kind)
        seeds.append(file.getvalue())
    return seeds


def image_reader():
    import warnings

    from convnet_features.images import ImageLoader

    warnings.simplefilter("ignore")  # of Pillow's, about damaged notes
    loader = ImageLoader(8, n_jobs=1)
    return lambda data, path: loader.transform([data])


PARSERS = {
    "images": Parser(image_seeds, image_reader),
    "idx": Parser(idx_seeds, idx_reader),
    "safetensors": Parser(safetensors_seeds, safetensors_reader),
    "npz": Parser(archive_seeds, values_reader),
    "pickle": Parser(pickle_seeds, values_reader),
    "tutorial": Parser(tutorial_seeds, tutorial_reader),
    "onnx": Parser(onnx_seeds, onnx_reader),
}


def fuzz(parser, seconds, corpus):
    """Does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["convnet_features"]):
        read = parser.reader()
    from convnet_features.exceptions import ConvNetFeaturesError

    for number, seed in enumerate(parser.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    path = corpus.parent / "fuzzed"

    def one(data):
        with contextlib.suppress(ConvNetFeaturesError):
            read(data, path)

    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={corpus.parent}/", str(corpus)], one)
    atheris.Fuzz()


def main():
    options = argparse.ArgumentParser(
        prog="python -m tests.robustness.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("parser", choices=list(PARSERS))
    options.add_argument("--seconds", type=int, default=60, help="how long to go on")
    options.add_argument("--corpus", type=Path, help="a folder of files to begin with, and to keep")
    chosen = options.parse_args()
    corpus = chosen.corpus or Path(tempfile.mkdtemp(), "corpus")
    corpus.mkdir(parents=True, exist_ok=True)
    fuzz(PARSERS[chosen.parser], chosen.seconds, corpus)


if __name__ == "__main__":
    main()
