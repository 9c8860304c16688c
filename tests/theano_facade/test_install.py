"""Installing the facade, and importing Lasagne through it."""

from __future__ import annotations

import sys

import pytest

from convnet_features.theano_facade import install
from convnet_features.theano_facade.finder import FacadeFinder

from ..fresh_import import after_importing


def test_installing_twice_changes_nothing():
    before = list(sys.meta_path)
    install()
    assert sys.meta_path == before
    assert sum(isinstance(each, FacadeFinder) for each in sys.meta_path) == 1


def test_installing_imports_nothing(in_new_process):
    # The package without its __init__, which imports more.
    code = """
print([name for name in ('numpy', 'pytensor', 'lasagne', 'theano') if name in sys.modules])
"""
    assert in_new_process(code) == "[]"


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"jax", "lasagne", "llvmlite", "matplotlib", "numba", "pandas", "torch"}
    loaded, _ = after_importing()
    if heavy & loaded:
        loaded -= after_importing("sklearn.linear_model")[0]
    assert not heavy & loaded


def test_another_theano_is_an_error_that_says_what_to_do(in_new_process):
    code = """
import sys, types
sys.modules['theano'] = types.ModuleType('theano')
sys.modules['theano'].__file__ = '/somewhere/theano/__init__.py'
try:
    import convnet_features
except ImportError as error:
    print(type(error).__name__, error)
"""
    message = in_new_process(code, whole=True)
    assert message.startswith("FacadeError convnet_features supplies the name 'theano' itself")
    assert "'/somewhere/theano/__init__.py'. Import convnet_features before" in message


@pytest.mark.parametrize(
    "first",
    [
        "import lasagne",
        "import lasagne.layers",
        "from lasagne.layers import batch_norm",
        "import theano",
        "import theano.tensor as T",
        "import theano, lasagne, convnet_features",
    ],
)
def test_any_import_may_come_first(first, in_new_process):
    code = f"""
{first}
import sys, lasagne, theano, theano.tensor
from convnet_features.layers import Conv2DLayer
print(lasagne.__version__, type(theano).__name__, lasagne.layers.Conv2DLayer is Conv2DLayer)
print([name for name in sys.modules if name.partition('.')[0] == 'pkg_resources'])
print(lasagne is sys.modules['lasagne'], lasagne.layers is sys.modules['lasagne.layers'])
"""
    lines = in_new_process(code, whole=True).splitlines()
    assert lines == ["0.1 FacadeModule True", "[]", "True True"]


def test_a_real_theano_comes_before_the_module_of_that_name(tmp_path, in_new_process):
    """Of a folder and a file of one name, Python takes the folder."""
    (tmp_path / "theano").mkdir()
    (tmp_path / "theano" / "__init__.py").write_text("real = True")
    (tmp_path / "theano.py").write_text("real = False")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import theano; print(theano.real)"
    assert in_new_process(code, whole=True) == "True"


def test_lasagne_imports_without_noise_and_leaves_nothing_behind(in_new_process):
    code = """
import lasagne
print(lasagne.__version__, 'pkg_resources' in sys.modules, 'numba' in sys.modules)
"""
    # -B: the sources are compiled anew if there are no cached files, and not cached by this.
    assert in_new_process(code, "-B") == "0.1 False False"


def test_lasagne_is_silent_when_it_is_compiled(in_new_process, tmp_path):
    code = f"""
import pytensor, theano.tensor
sys.pycache_prefix = {str(tmp_path)!r}
import warnings; warnings.filterwarnings("default", module="(?!lasagne)")
import lasagne
print(lasagne.__version__)
"""
    assert in_new_process(code) == "0.1"


def test_a_pkg_resources_that_was_there_stays(in_new_process):
    code = """
mine = sys.modules['pkg_resources'] = types.ModuleType('pkg_resources')
import lasagne
print(sys.modules['pkg_resources'] is mine)
"""
    assert in_new_process(code) == "True"


def test_layers_for_cuda_are_computed_here(in_new_process):
    code = """
import lasagne, theano
from theano.sandbox.cuda import dnn
print(dnn.dnn_available(), theano.config.device)
import lasagne.layers.dnn, lasagne.layers.corrmm, lasagne.layers.cuda_convnet
print(lasagne.layers.cuda_convnet.Conv2DCCLayer.__module__)
print(sorted(set(dir(lasagne.layers.dnn)) & {'Conv2DDNNLayer', 'Pool2DDNNLayer'}))
"""
    lines = in_new_process(code).splitlines()
    assert lines == [
        "False cpu",
        "convnet_features.layers.cuda_convnet",
        "['Conv2DDNNLayer', 'Pool2DDNNLayer']",
    ]


def test_uninstalling_restores_everything(in_new_process):
    code = """
import lasagne, pytensor
from pytensor.graph.basic import Variable
patched = Variable.eval
theano_facade.uninstall()
flag = type(type(pytensor.config).floatX).__name__
print('theano' in sys.modules, Variable.eval is patched, flag)
try:
    import theano
except ModuleNotFoundError as error:
    print(error)
theano_facade.install()
import theano.tensor as T  # noqa: N812
print((T.matrix() * 0.1).dtype)
"""
    first, second, third = in_new_process(code).splitlines()
    assert first == "False False EnumStr"
    assert second == "No module named 'theano'"
    assert third == "float32"


def test_compiling_starts_no_process_and_no_numba(in_new_process):
    code = """
import lasagne, theano, theano.tensor as T, numpy as np
from lasagne.layers import *

def refuse(event, arguments):
    if event in ('subprocess.Popen', 'os.posix_spawn', 'os.fork', 'os.system', 'os.exec'):
        raise RuntimeError(event)
sys.addaudithook(refuse)

x, y = T.tensor4('x'), T.ivector('y')
layer = Conv2DLayer(InputLayer((None, 1, 9, 9)), 3, 3)
layer = dropout(MaxPool2DLayer(layer, 2))
layer = DenseLayer(layer, 4, nonlinearity=lasagne.nonlinearities.softmax)
loss = lasagne.objectives.categorical_crossentropy(get_output(layer, x), y).mean()
parameters = get_all_params(layer)
train = theano.function([x, y], loss, updates=lasagne.updates.adam(loss, parameters))
train(np.ones((2, 1, 9, 9), 'float32'), np.array([0, 1], 'int32'))
total, updates = theano.scan(lambda a, b: a * 0.5 + b, T.ones((3,)), T.zeros(()))
print(total.eval(), (get_output(layer, x) * 2).eval({x: np.ones((1, 1, 9, 9), 'f')}).shape)
print([name for name in ('numba', 'llvmlite', 'jax', 'torch') if name in sys.modules])
"""
    first, second = in_new_process(code).splitlines()
    assert first == "[0.5 1.  1.5] (1, 4)"
    assert second == "[]"
