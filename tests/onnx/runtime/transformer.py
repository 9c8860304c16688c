"""A small vision transformer: as an ONNX model, and in NumPy."""

from __future__ import annotations

import numpy as np
import scipy.special
from onnx import TensorProto, helper, numpy_helper

#: Channels, height and width of images; sizes of patches; numbers of a token; heads; classes.
SHAPE, PATCH, WIDTH, HEADS, CLASSES = (2, 6, 9), 3, 8, 2, 5
TOKENS = (SHAPE[1] // PATCH) * (SHAPE[2] // PATCH)


def weights(rng):
    shapes = {
        "patches": (WIDTH, SHAPE[0], PATCH, PATCH),
        "positions": (1, TOKENS, WIDTH),
        "qkv": (WIDTH, 3 * WIDTH),
        "joined": (WIDTH, WIDTH),
        "wide": (WIDTH, 2 * WIDTH),
        "narrow": (2 * WIDTH, WIDTH),
        "head": (WIDTH, CLASSES),
        "scale": (WIDTH,),
        "shift": (WIDTH,),
    }
    return {name: rng.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}


def transformer(values, batch="n", element=TensorProto.FLOAT, opset=17):
    """The ONNX model: an image's patches, one block, the mean of the tokens, scores."""
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    extra = {
        "to_tokens": np.int64([0, WIDTH, -1]),
        "split": np.int64([0, TOKENS, 3, HEADS, WIDTH // HEADS]),
        "together": np.int64([0, TOKENS, WIDTH]),
        "root": np.float32(np.sqrt(WIDTH // HEADS)),
        "two": np.float32(np.sqrt(2)),
        "one": np.float32(1),
        "half": np.float32(0.5),
        **{f"which{each}": np.int64(each) for each in range(3)},
    }
    constants += [numpy_helper.from_array(np.asarray(value), name) for name, value in extra.items()]
    node = helper.make_node
    nodes = [
        node("Cast", ["pixels"], ["as_float"], to=TensorProto.FLOAT),
        node("Conv", ["as_float", "patches"], ["map"], "embed", strides=[PATCH, PATCH]),
        node("Reshape", ["map", "to_tokens"], ["columns"]),
        node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        node("Add", ["tokens", "positions"], ["placed"], "place"),
        node("LayerNormalization", ["placed", "scale", "shift"], ["normal"], epsilon=1e-5),
        node("MatMul", ["normal", "qkv"], ["all_heads"]),
        node("Reshape", ["all_heads", "split"], ["heads"]),
        *(node("Gather", ["heads", f"which{k}"], [f"part{k}"], axis=2) for k in range(3)),
        node("Transpose", ["part0"], ["queries"], perm=[0, 2, 1, 3]),
        node("Transpose", ["part1"], ["keys"], perm=[0, 2, 3, 1]),
        node("Transpose", ["part2"], ["values"], perm=[0, 2, 1, 3]),
        node("MatMul", ["queries", "keys"], ["products"]),
        node("Div", ["products", "root"], ["scaled"]),
        node("Softmax", ["scaled"], ["attention"], "attend", axis=-1),
        node("MatMul", ["attention", "values"], ["seen"]),
        node("Transpose", ["seen"], ["by_token"], perm=[0, 2, 1, 3]),
        node("Reshape", ["by_token", "together"], ["whole"]),
        node("MatMul", ["whole", "joined"], ["mixed"]),
        node("Add", ["placed", "mixed"], ["attended"]),
        node("MatMul", ["attended", "wide"], ["hidden"]),
        node("Div", ["hidden", "two"], ["over"]),
        node("Erf", ["over"], ["erf"]),
        node("Add", ["erf", "one"], ["gate"]),
        node("Mul", ["hidden", "gate"], ["gated"]),
        node("Mul", ["gated", "half"], ["gelu"]),
        node("MatMul", ["gelu", "narrow"], ["thought"]),
        node("Add", ["attended", "thought"], ["block"], "block"),
        node("ReduceMean", ["block"], ["pooled"], "pool", axes=[1], keepdims=0),
        node("MatMul", ["pooled", "head"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "transformer",
        [helper.make_tensor_value_info("pixels", element, [batch, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        initializer=constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def computed(values, X):
    """Its values by name, in float64."""
    values = {name: value.astype(np.float64) for name, value in values.items()}
    n, (channels, height, width) = len(X), SHAPE
    patches = X.astype(np.float64).reshape(
        n, channels, height // PATCH, PATCH, width // PATCH, PATCH
    )
    patches = patches.transpose(0, 2, 4, 1, 3, 5).reshape(n, TOKENS, -1)
    placed = patches @ values["patches"].reshape(WIDTH, -1).T + values["positions"]
    centred = placed - placed.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    normal = normal * values["scale"] + values["shift"]
    heads = (normal @ values["qkv"]).reshape(n, TOKENS, 3, HEADS, WIDTH // HEADS)
    queries, keys, seen = np.moveaxis(heads, 2, 0).transpose(0, 1, 3, 2, 4)
    scaled = queries @ keys.transpose(0, 1, 3, 2) / np.sqrt(WIDTH // HEADS)
    attention = scipy.special.softmax(scaled, axis=-1)
    whole = (attention @ seen).transpose(0, 2, 1, 3).reshape(n, TOKENS, WIDTH)
    attended = placed + whole @ values["joined"]
    hidden = attended @ values["wide"]
    gelu = hidden * (1 + scipy.special.erf(hidden / np.sqrt(2))) / 2
    block = attended + gelu @ values["narrow"]
    pooled = block.mean(1)
    return {
        "placed": placed,
        "attention": attention,
        "block": block,
        "pooled": pooled,
        "scores": pooled @ values["head"],
    }
