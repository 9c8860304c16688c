"""The table of names: complete for Lasagne, and honest about what it lacks."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import warnings
from pathlib import Path

import pytest
import theano
import theano.tensor as T

from convnet_features.theano_facade.table import MISSING_MODULES, TABLE, Module, Unsupported

#: Lasagne's modules of CUDA and cuda-convnet.
GPU_MODULES = ("dnn.py", "corrmm.py", "cuda_convnet.py")


@pytest.mark.parametrize("module", TABLE)
def test_every_name_of_the_table_is_there(module):
    facade = importlib.import_module(module)
    for name, entry in TABLE[module].items():
        if isinstance(entry, Unsupported):
            with pytest.raises(
                AttributeError, match=f"^{module}.{name} is not part of .*, because"
            ):
                getattr(facade, name)
        elif isinstance(entry, Module):
            assert getattr(facade, name).__name__ in TABLE
        else:
            assert hasattr(facade, name)


def test_a_module_lists_what_it_has():
    listed = set(dir(T.nnet))
    assert {"conv2d", "softmax", "relu"} <= listed
    assert "blocksparse" not in listed
    assert set(T.nnet.__all__) <= listed


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("theano.tensor", "matirx", "the nearest name is theano.tensor.matrix"),
        ("theano.tensor.nnet", "conv2D", "the nearest name is theano.tensor.nnet.conv2d"),
        ("theano", "fucntion", "the nearest name is theano.function"),
        ("theano.tensor.nnet", "ctc", "because nothing here is compiled by a C compiler"),
        ("theano.printing", "pydotprint", "because it needs Graphviz"),
    ],
)
def test_a_missing_name_says_so_and_names_the_nearest(module, name, text):
    with pytest.raises(AttributeError, match=f"^{module}.{name} is not part of .*{text}"):
        getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", MISSING_MODULES)
def test_a_missing_module_says_why(name):
    name = name if name not in TABLE else f"{name}.blas"
    with pytest.raises(ModuleNotFoundError, match=f"^{name} is not part of .*: ."):
        importlib.import_module(name)


def test_an_unknown_module_names_the_nearest():
    with pytest.raises(ModuleNotFoundError, match=r"the nearest is theano.tensor.nnet.conv"):
        importlib.import_module("theano.tensor.nnet.conf")


def test_a_function_keeps_its_name_where_a_module_shares_it():
    importlib.import_module("theano.tensor.var")
    assert callable(T.var)
    assert theano.ifelse.ifelse is not None


def test_there_is_no_gpu_to_ask():
    """Scripts of 2016 to 2018 ask first."""
    from theano.gpuarray import dnn

    assert theano.gpuarray.pygpu_activated is False
    assert dnn.dnn_available() is False
    assert dnn.dnn_present() is False
    with pytest.raises(AttributeError, match=r"GpuDnnSoftmax is not part .*there is no CUDA here"):
        _ = dnn.GpuDnnSoftmax


def test_names_of_2016():
    x = theano.tensor.dvector()
    assert isinstance(x, theano.tensor.Variable)
    sparse = theano.tensor.TensorType("float32", (False, True), sparse_grad=True)
    assert sparse == theano.tensor.TensorType("float32", (False, True))


def test_imports_of_2015():
    code = """
from theano import function, shared, config, tensor
from theano.tensor.nnet import conv2d, conv
from theano.tensor.signal import pool, downsample
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams
from theano.ifelse import ifelse
from theano.gof.graph import is_same_graph
from theano.tensor import *
"""
    names = {}
    exec(code, names)
    assert names["conv2d"] is T.nnet.conv2d is T.nnet.conv.conv2d
    assert names["dmatrix"]("x").dtype == "float64"


def lasagne_sources():
    folder = Path(importlib.util.find_spec("lasagne").origin).parent
    return [path for path in sorted(folder.rglob("*.py")) if path.name not in GPU_MODULES]


def theano_names(tree):
    """Every dotted name of Theano's in a module's source, as (module, attributes)."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.partition(".")[0] == "theano":
                    aliases[each.asname or "theano"] = each.name if each.asname else "theano"
                    yield each.name, ()
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("theano"):
            for each in node.names:
                aliases[each.asname or each.name] = f"{node.module}.{each.name}"
                yield node.module, (each.name,)
    for node in ast.walk(tree):
        attributes = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if attributes and isinstance(node, ast.Name) and node.id in aliases:
            yield aliases[node.id], tuple(attributes)


@pytest.mark.parametrize("path", lasagne_sources(), ids=lambda path: path.stem)
def test_every_name_that_lasagne_uses_is_in_the_table(path):
    with warnings.catch_warnings():  # of invalid escape sequences
        warnings.simplefilter("ignore")
        tree = ast.parse(path.read_text(encoding="utf-8"))
    for module, attributes in theano_names(tree):
        if module not in TABLE:  # an alias of something within a module
            continue
        for attribute in attributes:
            entry = TABLE[module].get(attribute)
            assert entry is not None, f"{module}.{attribute} is not in the table"
            assert not isinstance(entry, Unsupported), f"{module}.{attribute} is not supported"
            if not isinstance(entry, Module):
                break
            module = f"{module}.{attribute}"


def test_the_walk_over_lasagne_finds_names():
    source = "import theano\nimport theano.tensor as T\nT.nnet.conv2d(theano.shared(0))"
    assert set(theano_names(ast.parse(source))) >= {
        ("theano.tensor", ("nnet", "conv2d")),
        ("theano", ("shared",)),
    }


def test_imports_of_2016_to_2018():
    code = """
from theano.compat.python2x import OrderedDict
from theano.compile.nanguardmode import NanGuardMode
from theano.gof.graph import io_toposort, list_of_nodes
from theano.gpuarray.dnn import dnn_available
from theano.misc.safe_asarray import _asarray
from theano.sandbox.linalg import matrix_inverse
from theano.sandbox.neighbours import images2neibs
from theano.scalar.basic import UnaryScalarOp, upgrade_to_float
from theano.scan_module.scan_utils import until
from theano.tensor.nnet.abstract_conv import AbstractConv2d_gradInputs, bilinear_upsampling
from theano.tensor.nnet.bn import batch_normalization_train
from theano.tensor.nnet.conv3d2d import conv3d
from theano.tensor.signal.pool import pool_2d, pool_3d
from theano.tensor.type_other import NoneConst
from theano.version import version
"""
    names = {}
    exec(code, names)
    assert names["version"] == theano.__version__
    x = T.matrix("x")
    (node,) = names["list_of_nodes"]([x], [T.exp(x)])
    assert str(node).startswith("Exp")
