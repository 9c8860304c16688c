"""Files of at most 1 MiB that ask for as much memory as they can, one set for each reader.

Usage: python -m tests.robustness.bombs LIMIT

takes lines "READER<tab>BOMB" from its input. For each, a child that it forks reads that bomb with
no more memory of its own than LIMIT bytes; a line says how many it took, and what came of it.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import pickle
import resource
import struct
import sys
import tempfile
import traceback
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.exceptions import NotFittedError

from convnet_features.exceptions import ConvNetFeaturesError

__all__ = ["BOMBS", "SIZE"]

SIZE = 1 << 20


def zeros_gzipped(n_bytes):
    """A gzip file of zeros, of members that are all the same."""
    part = gzip.compress(bytes(1 << 24), 9)
    return part * (n_bytes >> 24)


def idx(code, *shape):
    return struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape)


def tensors(entries, metadata=None, data=b""):
    """A safetensors file."""
    header = {"__metadata__": metadata} if metadata else {}
    text = json.dumps({**header, **entries}, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_notes(notes):
    text = notes if isinstance(notes, str) else json.dumps(notes)
    return tensors({}, {"convnet_features": text})


def archive(*arrays, level=9):
    """An .npz whose arrays are deflated."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as members:
        for number, array in enumerate(arrays):
            stored = io.BytesIO()
            np.save(stored, array)
            members.writestr(f"dense/{number}.npy", stored.getvalue())
    return file.getvalue()


ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nK\x00\x85U\x01b\x87q\x02"
    b"(K\x01J%b\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
    b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
)


def text_in_arrays(count):
    """One long text, of which `count` arrays are made."""
    n_bytes = 900_000
    state = ARRAY.replace(b"%b", struct.pack("<i", n_bytes // 4)) + b"X"
    state += struct.pack("<I", n_bytes) + b"x" * n_bytes + b"tq\x03"
    entries = [b"U\x02" + struct.pack("<H", i) + b"]h\x01h\x02Rh\x03ba" for i in range(count)]
    return b"\x80\x02" + state + b"}(" + b"".join(entries) + b"u."


def rare_text(n_bytes):
    text = b"x" * (n_bytes - 4) + "\U0001f600".encode()
    return b"\x80\x02X" + struct.pack("<I", n_bytes) + text + b"."


def pairs_in_dictionaries():
    pairs = b"(" + b"K\x01K\x02\x86" * 500 + b"lq\x05"
    entries = [b"K\x01ccollections\nOrderedDict\nh\x05\x85R" for _ in range(700)]
    return b"\x80\x02" + pairs + b"}(" + b"".join(entries) + b"u."


def onnx_model(nodes, constants=(), shape=(1, 4, 4)):
    from onnx import TensorProto, helper

    last = nodes[-1].output[0] if nodes and nodes[-1].output else "x"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        initializer=list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def casts():
    from onnx import helper, numpy_helper

    constant = numpy_helper.from_array(np.zeros(900_000, np.int8), "c")
    nodes = [helper.make_node("Cast", ["c"], [str(i)], to=11) for i in range(1000)]
    return onnx_model(nodes, [constant])


def one_weight_in_layers(count):
    from onnx import helper, numpy_helper

    first = numpy_helper.from_array(np.zeros((500, 1, 1, 1), np.float32), "f")
    weights = numpy_helper.from_array(np.zeros((500, 500, 1, 1), np.float16), "w")
    nodes = [
        helper.make_node("Conv", ["x", "f"], ["y0"]),
        helper.make_node("Cast", ["w"], ["w32"], to=1),
    ]
    nodes += [helper.make_node("Conv", [f"y{i}", "w32"], [f"y{i + 1}"]) for i in range(count)]
    return onnx_model(nodes, [weights, first])


def repeated_field(tag, inside=b""):
    """A model whose graph has as many entries of a field as there is room for."""
    entry = bytes([tag, len(inside)]) + inside
    graph = entry * ((SIZE - 100) // len(entry))
    length, size = b"", len(graph)
    while size:
        length += bytes([size & 127 | (128 if size > 127 else 0)])
        size >>= 7
    return b"\x08\x08\x3a" + length + graph


def picture(mode, side, kind, wide=None, **options):
    """An empty picture, which a small file holds."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # here, while the file is made
    file = io.BytesIO()
    Image.new(mode, (wide or side, side)).save(file, kind, **options)
    Image.MAX_IMAGE_PIXELS = 1024 * 1024 * 1024 // 4 // 3  # as Pillow has it
    return file.getvalue()


def one_tile(side):
    """A TIFF of 16 by 16 pixels, whose single tile unfolds into far more."""
    packer = zlib.compressobj(1)
    row = bytes(side)
    tile = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    tags += [(324, 8), (325, len(tile))]
    entries = b"".join(struct.pack("<2H2I", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(tile)) + tile + directory


def icon(side):
    """A PNG within an ICO, which Pillow decodes as it opens the file."""
    png = picture("RGBA", side, "PNG")
    return struct.pack("<3H4B2H2I", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png


NOTES = {"kind": "parameters", "input_shape": [1, 8, 8], "n_outputs": 2, "target": "classes"}
HUGE = NOTES | {"input_shape": [3, 30_000, 30_000], "n_outputs": 10**9}
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
SAFETENSORS = {
    "empty arrays": lambda: tensors({f"{i:x}": EMPTY for i in range(16_000)}),
    "notes of lists": lambda: with_notes("[" + ",".join(["[]"] * 300_000) + "]"),
    "notes of dictionaries": lambda: with_notes("[" + ",".join(["{}"] * 300_000) + "]"),
    "notes of names": lambda: with_notes(json.dumps({f"{i:x}": 0 for i in range(80_000)})),
    "text": lambda: with_notes(json.dumps("x" * 900_000 + "\U0001f600", ensure_ascii=False)),
    "sizes in notes": lambda: with_notes(HUGE),
    "arrays": lambda: tensors(
        {"a": {"dtype": "F64", "shape": [120_000], "data_offsets": [0, 960_000]}},
        data=bytes(960_000),
    ),
}
PICKLES = {
    "text in arrays": lambda: text_in_arrays(900),
    "rare text": lambda: rare_text(1_000_000),
    "pairs in dictionaries": pairs_in_dictionaries,
    "a huge number": lambda: b"\x80\x02\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b".",
    "bytes": lambda: pickle.dumps(bytes(1_000_000), 4),
}
BOMBS = {
    "read_idx": {
        "zeros": lambda: gzip.compress(idx(8, 1 << 30)) + zeros_gzipped(1 << 30),
        "zeros below the limit": lambda: (
            gzip.compress(idx(8, 70 << 20)) + zeros_gzipped(64 << 20)
        ).ljust(SIZE, b"\0"),
        "a promise": lambda: idx(14, 1 << 26) + bytes(1_000_000),
        "an array": lambda: idx(8, 1_000_000) + bytes(1_000_000),
    },
    "load_mnist's pickle": {
        "zeros": lambda: zeros_gzipped(1 << 30),
        "bytes": lambda: (
            gzip.compress(b"T" + struct.pack("<i", 75 << 20)) + zeros_gzipped(64 << 20)
        ),
        "text": lambda: gzip.compress(rare_text(70 << 20)).ljust(SIZE, b"\0"),
        **PICKLES,
    },
    "load_params_from, a pickle": PICKLES,
    "load_params_from, .npz": {
        "zeros": lambda: archive(np.zeros(1 << 28, np.uint8)),
        "zeros below the limit": lambda: archive(
            np.zeros(60 << 20, np.uint8), np.frombuffer(np.random.default_rng(0).bytes(900_000))
        ),
        "members": lambda: archive(*[np.zeros(0, np.float32)] * 4000),
    },
    "load_params": SAFETENSORS,
    "load_params, a pickle": PICKLES,
    "load_params, unfitted": SAFETENSORS,
    "Checkpoint": SAFETENSORS,
    "from_onnx": {
        "casts": casts,
        "one weight in 20 layers": lambda: one_weight_in_layers(20),
        "one weight in 10 layers": lambda: one_weight_in_layers(10),
        "nodes": lambda: repeated_field(0x0A),
        "nodes with empty attributes": lambda: repeated_field(0x0A, b"\x2a\x00" * 50),
        "constants": lambda: repeated_field(0x2A),
        "inputs": lambda: repeated_field(0x5A),
        "outputs": lambda: repeated_field(0x62),
        "an immense input": lambda: onnx_model([], shape=(1 << 26, 1, 1)),
    },
    "ImageLoader": {
        "colours": lambda: picture("RGB", 6400, "PNG"),
        "alpha": lambda: picture("RGBA", 4500, "PNG"),
        "a palette": lambda: picture("P", 4300, "PNG", transparency=0),
        "16 bits": lambda: picture("I;16", 4800, "PNG"),
        "floats": lambda: picture("F", 4000, "TIFF", compression="tiff_adobe_deflate"),
        "a WebP": lambda: picture("RGB", 3700, "WEBP", lossless=True, method=0),
        "a progressive JPEG": lambda: picture("RGB", 4800, "JPEG", quality=10, progressive=True),
        "a TIFF's tile": lambda: one_tile(14_000),
        "an icon": lambda: icon(4500),
        "a promise": lambda: picture("RGB", 64, "PNG").replace(
            struct.pack(">2I", 64, 64), struct.pack(">2I", 30_000, 30_000), 1
        ),
    },
}


def readers(folder):
    """By name, functions of a file's path; whatever they need is imported and made."""
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Checkpoint
    from convnet_features.datasets.idx import read_idx
    from convnet_features.datasets.tutorial_pickle import read_tutorial_pickle
    from convnet_features.files.layer_values import read_values

    rng = np.random.default_rng(0)
    X, y = rng.random((20, 1, 6, 5)), np.arange(20) % 2
    small = {"conv2d1_num_filters": 2, "conv2d2_num_filters": 2, "dense_num_units": 3}
    saving = Checkpoint(folder)
    fitted = ConvNetClassifier(max_epochs=1, callbacks=[saving], random_state=0, **small).fit(X, y)

    def resume(path):
        (folder / "last.safetensors").write_bytes(path.read_bytes())
        again = Checkpoint(folder, resume=True)
        ConvNetClassifier(max_epochs=2, callbacks=[again], random_state=0, **small).fit(X, y)

    # A network of 400 MB, as nobody's small file should believe.
    expected = {"dense": [np.broadcast_to(np.float32(0), (10_000, 10_000))]}
    known = {
        "read_idx": read_idx,
        "load_mnist's pickle": lambda p: read_tutorial_pickle(p, (50_000, 10_000, 10_000), 784),
        "load_params_from, a pickle": lambda path: read_values(path, expected),
        "load_params_from, .npz": lambda path: read_values(path, expected),
        "load_params": fitted.load_params,
        "load_params, a pickle": fitted.load_params,
        "load_params, unfitted": lambda path: ConvNetClassifier().load_params(path),
        "Checkpoint": resume,
    }
    if find_spec("PIL"):
        from convnet_features.images import ImageLoader
        from convnet_features.images.pillow import formats

        formats()
        known["ImageLoader"] = lambda path: ImageLoader(64).transform([path])
    if find_spec("onnx"):
        from convnet_features.onnx import from_onnx

        known["from_onnx"] = functools.partial(from_onnx, engine="portable")
    return known


def status(key):
    """A line of /proc/self/status, in bytes."""
    return int(Path("/proc/self/status").read_text().split(f"{key}:")[1].split()[0]) * 1024


def explode(read, bomb, folder, limit):
    """The line about a bomb; this process is spoilt for others."""
    path = folder / "bomb"
    path.write_bytes(bomb())
    assert path.stat().st_size <= 1.05 * SIZE, path.stat().st_size
    # What was touched before counts no more.
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmHWM")
    ceiling = status("VmData") + limit
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
    try:
        outcome = f"read, {type(read(path)).__name__}"
    except (ConvNetFeaturesError, NotFittedError) as error:
        said = " ".join(str(error).replace(str(path), "it").split())
        outcome = f"{type(error).__name__}: {said[:60]}"
    return f"{status('VmHWM') - before} {outcome}"


def main(limit):
    folder = Path(tempfile.mkdtemp())
    known = readers(folder)
    for line in sys.stdin:
        reader, bomb = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            try:
                print(explode(known[reader], BOMBS[reader][bomb], folder, limit), flush=True)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        if ended := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            print(f"ended with {ended}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
