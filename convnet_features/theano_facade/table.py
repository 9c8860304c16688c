"""The table of names: what each name of Theano's is here, or why it is not.

One dictionary a module, name to entry. An entry is

- `PyTensor`: PyTensor's object of that name, or of another;
- `Ours`: one of this package's modules has it;
- `Module`: another module of the table;
- `Value`: a plain value;
- `Unsupported`: missing, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .config import config

__all__ = [
    "MISSING_MODULES",
    "TABLE",
    "Entry",
    "Module",
    "Ours",
    "PyTensor",
    "Unsupported",
    "Value",
]


@dataclass(frozen=True)
class PyTensor:
    """An object of PyTensor's: the attribute `name` (by default the same name) of `module`."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Ours:
    """An object of `convnet_features.theano_facade.<module>`."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Module:
    """Another module: a submodule of the same name, or the one called `name`."""

    name: str | None = None


@dataclass(frozen=True)
class Value:
    """A value that the table itself holds."""

    value: Any


@dataclass(frozen=True)
class Unsupported:
    """A name of Theano's that is missing, because of `because`."""

    because: str


Entry = PyTensor | Ours | Module | Value | Unsupported


def _pytensor(module: str, names: str) -> dict[str, Entry]:
    return {name: PyTensor(module) for name in names.split()}


def _ours(module: str, names: str) -> dict[str, Entry]:
    return {name: Ours(module) for name in names.split()}


def _modules(names: str) -> dict[str, Entry]:
    return {name: Module() for name in names.split()}


def _unsupported(names: str, because: str) -> dict[str, Entry]:
    return {name: Unsupported(because) for name in names.split()}


_NO_GPU = "there is no CUDA here; convnet_features runs on the CPU, or through JAX"
_NO_C = "nothing here is compiled by a C compiler"

# ---------------------------------------------------------------------------
# theano

_THEANO: dict[str, Entry] = {
    **_modules(
        "compile gof gpuarray gradient ifelse printing sandbox scalar scan_module tensor updates"
    ),
    **_ours("functions", "function shared clone In Param"),
    **_ours("loops", "scan map reduce foldl foldr"),
    **_pytensor("pytensor", "Out"),
    **_ours("gradients", "Lop Rop grad subgraph_grad"),
    **_pytensor("pytensor.graph.basic", "Apply Constant"),
    **_pytensor("pytensor.graph.op", "Op"),
    **_pytensor("pytensor.compile.mode", "Mode"),
    "config": Value(config),
    "Generic": PyTensor("pytensor.link.c.type", "Generic"),
    "generic": PyTensor("pytensor.link.c.type", "generic"),
    **_ours("wrapped_graphs", "OpFromGraph"),
    "Print": PyTensor("pytensor.printing"),
    "SharedVariable": PyTensor("pytensor.compile.sharedvalue"),
    **_ours("tensor", "TensorType Variable"),
    "OrderedUpdates": Ours("updates"),
    "as_op": PyTensor("pytensor.compile.ops", "wrap_py"),
    "dot": Ours("tensor"),
    "pp": PyTensor("pytensor.printing", "pprint"),
    "__version__": Value("0.8.2+convnet_features"),
    **_unsupported("sparse", "PyTensor's own sparse tensors are at pytensor.sparse"),
    **_unsupported("FancyModule", "PyTensor no longer has modules of methods"),
    **_unsupported("ProfileMode ProfileStats", "compiled functions keep no profile"),
}

# ---------------------------------------------------------------------------
# theano.tensor

_DIMENSIONS = ["scalar", "vector", "row", "col", "matrix", "tensor3", "tensor4"]
_SEVERAL = ["scalars", "vectors", "matrices", "tensor3s", "tensor4s"]


def _prefixed(prefixes: Iterable[str], names: Iterable[str]) -> str:
    return " ".join(prefix + name for name in names for prefix in prefixes)


_CONSTRUCTORS = " ".join(
    [
        _prefixed(["", *"bilfdcz"], _DIMENSIONS),
        _prefixed(["", *"ilfd"], _SEVERAL),
        "wscalar wvector wrow wcol",
    ]
)

_ELEMENTWISE = """
abs add and_ angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_not
bitwise_or bitwise_xor cast ceil ceil_intdiv conj cos cosh deg2rad eq erf erfc erfcinv erfcx erfinv
exp exp2 expm1 floor floor_div gamma gammaln ge gt imag int_div invert isclose isinf isnan le log
log10 log1p log2 lt maximum minimum mod mul neg neq or_ outer pow power psi rad2deg real reciprocal
round sigmoid sign sin sinh sqr sqrt square sub switch tan tanh tri_gamma true_div trunc where
xor
"""

_REDUCTIONS = "all any argmax argmin max mean min prod ptp std sum var"

_SHAPES = """
alloc arange as_tensor as_tensor_variable broadcast_to choose compress concatenate
constant cumprod diag diagonal diff eye fill fill_diagonal fill_diagonal_offset
get_scalar_constant_value get_vector_length horizontal_stack identity_like inc_subtensor
inverse_permutation join mgrid nonzero nonzero_values ogrid ones ones_like repeat reshape roll
searchsorted set_subtensor shape shape_padaxis shape_padleft shape_padright sort argsort
specify_shape split squeeze swapaxes take tensordot tensor_from_scalar tensor_copy
tile trace transpose tri tril triu unique vertical_stack zeros zeros_like
bincount scalar_from_tensor
"""

_TENSOR: dict[str, Entry] = {
    **_modules(
        "basic blas elemwise extra_ops nlinalg nnet shared_randomstreams sharedvar signal slinalg "
        "subtensor type xlogx"
    ),
    **_pytensor("pytensor.tensor", _CONSTRUCTORS),
    **_pytensor("pytensor.tensor", _ELEMENTWISE),
    **_pytensor("pytensor.tensor", _REDUCTIONS),
    **_pytensor("pytensor.tensor", _SHAPES),
    **_pytensor("pytensor.gradient", "verify_grad"),
    **_ours("gradients", "Lop Rop grad hessian jacobian"),
    **_pytensor("pytensor.tensor.variable", "TensorConstant"),
    **_pytensor("pytensor.tensor.sharedvar", "TensorSharedVariable"),
    **_pytensor("numpy", "e inf nan newaxis pi"),
    **_ours(
        "tensor",
        "TensorType TensorVariable Variable addbroadcast batched_dot clip cumsum dot flatten "
        "max_and_argmax patternbroadcast stack tensor to_one_hot unbroadcast",
    ),
    "Dot": PyTensor("pytensor.tensor.math"),
    "Elemwise": PyTensor("pytensor.tensor.elemwise"),
    "DimShuffle": PyTensor("pytensor.tensor.elemwise"),
    "Subtensor": PyTensor("pytensor.tensor.subtensor"),
    "IncSubtensor": PyTensor("pytensor.tensor.subtensor"),
    "absolute": PyTensor("pytensor.tensor", "abs"),
    "sgn": PyTensor("pytensor.tensor", "sign"),
    "abs_": PyTensor("pytensor.tensor", "abs"),
    "copy": PyTensor("pytensor.tensor", "tensor_copy"),
    "inv": PyTensor("pytensor.tensor", "reciprocal"),
    "shared": Ours("functions"),
    "_shared": Ours("functions", "shared"),
}

# ---------------------------------------------------------------------------
# theano.tensor.nnet and theano.tensor.signal

_NNET_FUNCTIONS = """
binary_crossentropy categorical_crossentropy confusion_matrix crossentropy_categorical_1hot
crossentropy_softmax_1hot crossentropy_softmax_1hot_with_bias
crossentropy_softmax_argmax_1hot_with_bias elu h_softmax hard_sigmoid logsoftmax
prepend_0_to_each_row prepend_1_to_each_row prepend_scalar_to_each_row relu selu
sigmoid_binary_crossentropy softmax softmax_with_bias softplus softsign ultra_fast_sigmoid
"""
_BN_FUNCTIONS = "batch_normalization batch_normalization_test batch_normalization_train"
_CONVOLUTIONS = """
causal_conv1d conv2d_grad_wrt_inputs conv2d_grad_wrt_weights conv3d conv3d_grad_wrt_inputs
conv3d_grad_wrt_weights separable_conv2d separable_conv3d
"""

_NO_OP_CLASS = "it was Theano's own implementation; use the function"
_NO_BLOCKS = "products of blocks are not supplied; use theano.tensor.batched_dot"

_NNET: dict[str, Entry] = {
    **_modules("abstract_conv bn conv conv3d2d neighbours nnet sigm"),
    **_ours("nnet", _NNET_FUNCTIONS),
    **_ours("bn", _BN_FUNCTIONS),
    **_ours("convolution", f"conv2d conv2d_transpose {_CONVOLUTIONS}"),
    "abstract_conv2d": Ours("convolution", "of_2015"),
    "sigmoid": PyTensor("pytensor.tensor"),
    "softmax_graph": Ours("nnet", "softmax"),
    **_unsupported("conv3D", "its order of axes was for one implementation; use conv3d"),
    **_unsupported("ctc", _NO_C),
    **_unsupported("blocksparse sparse_block_dot", _NO_BLOCKS),
    **_unsupported("spatialtf", "use lasagne.layers.TransformerLayer"),
    **_unsupported("ConvOp CorrMM LogSoftmax Softmax SoftmaxWithBias", _NO_OP_CLASS),
}

_SIGNAL: dict[str, Entry] = {
    **_modules("conv downsample pool"),
}

#: Every module that can be imported, and its names.
TABLE: Mapping[str, Mapping[str, Entry]] = {
    "theano": _THEANO,
    "theano.compile": {
        **_ours("functions", "function shared In Param"),
        **_pytensor("pytensor", "Out"),
        **_pytensor("pytensor.compile.mode", "Mode"),
        **_pytensor("pytensor.compile.sharedvalue", "SharedVariable"),
        **_modules("sharedvalue"),
        **_unsupported("FAST_RUN FAST_COMPILE", "there is one way to compile; leave the mode out"),
        **_unsupported("nanguardmode debugmode", "there is one way to compile; leave the mode out"),
    },
    "theano.compile.sharedvalue": {
        **_ours("functions", "shared"),
        **_pytensor("pytensor.compile.sharedvalue", "SharedVariable"),
    },
    "theano.gof": {
        **_modules("graph op utils"),
        **_pytensor("pytensor.graph.basic", "Apply Constant"),
        **_ours("tensor", "Variable"),
        **_pytensor("pytensor.graph.op", "Op"),
        **_pytensor("pytensor.graph.fg", "FunctionGraph"),
        **_pytensor("pytensor.graph.type", "Type"),
    },
    "theano.gof.graph": {
        **_pytensor("pytensor.graph.basic", "Apply Constant"),
        **_ours("graphs", "ancestors inputs"),
        "is_same_graph": Ours("functions"),
        "Variable": Ours("tensor"),
    },
    "theano.gof.op": {**_pytensor("pytensor.graph.op", "Op")},
    "theano.gof.utils": {**_pytensor("pytensor.graph.utils", "MethodNotDefined")},
    "theano.gpuarray": {
        "pygpu_activated": Value(False),
        "dnn": Module(),
        **_unsupported("GpuArrayType basic_ops blas fft type use", _NO_GPU),
    },
    "theano.gpuarray.dnn": {
        "dnn_available": Ours("cuda"),
        "dnn_present": Ours("cuda", "dnn_available"),
        **_unsupported(
            "dnn_batch_normalization_test dnn_batch_normalization_train dnn_conv dnn_conv3d "
            "dnn_gradinput dnn_gradweight dnn_pool dnn_spatialtf GpuDnnSoftmax",
            _NO_GPU,
        ),
    },
    "theano.gradient": {
        **_pytensor(
            "pytensor.gradient",
            """
            DisconnectedInputError DisconnectedType NullTypeGradError disconnected_grad grad_clip
            grad_not_implemented grad_scale grad_undefined verify_grad zero_grad
            """,
        ),
        **_ours("gradients", "Lop Rop grad hessian jacobian subgraph_grad"),
        "consider_constant": PyTensor("pytensor.gradient", "zero_grad"),
    },
    "theano.ifelse": {"ifelse": Ours("functions")},
    "theano.printing": {
        **_pytensor("pytensor.printing", "Print debugprint min_informative_str"),
        "pp": PyTensor("pytensor.printing", "pprint"),
        "pprint": PyTensor("pytensor.printing"),
        **_unsupported("pydotprint", "it needs Graphviz; use theano.printing.debugprint"),
    },
    "theano.sandbox": {
        **_modules("rng_mrg cuda"),
        **_unsupported("gpuarray", _NO_GPU),
        **_unsupported("linalg", "it moved to theano.tensor.nlinalg"),
        "neighbours": Module("theano.tensor.nnet.neighbours"),
    },
    "theano.sandbox.cuda": {
        "cuda_available": Value(False),
        "cuda_enabled": Value(False),
        "dnn": Module(),
        **_unsupported("CudaNdarrayType CudaNdarray basic_ops blas use", _NO_GPU),
    },
    "theano.sandbox.cuda.dnn": {
        "dnn_available": Ours("cuda"),
        **_unsupported("dnn_conv dnn_pool dnn_gradweight dnn_gradinput GpuDnnSoftmax", _NO_GPU),
    },
    "theano.sandbox.rng_mrg": {**_ours("random", "MRG_RandomStreams")},
    "theano.scalar": {
        **_pytensor(
            "pytensor.scalar.basic",
            "add mul sub true_div neg exp log sqr sqrt tanh upcast int32 int64 float32 float64 "
            "complex64 complex128 bool",
        ),
    },
    "theano.scan_module": {
        **_modules("scan_utils"),
        **_ours("loops", "scan map reduce foldl foldr"),
        **_pytensor("pytensor.scan.utils", "until"),
    },
    "theano.scan_module.scan_utils": {
        **_pytensor("pytensor.graph.basic", "equal_computations"),
        **_pytensor("pytensor.scan.utils", "until"),
        "clone": Ours("functions"),
    },
    "theano.tensor": _TENSOR,
    "theano.tensor.basic": {
        name: entry for name, entry in _TENSOR.items() if not isinstance(entry, Module)
    },
    "theano.tensor.blas": {"dot": Ours("tensor")},
    "theano.tensor.elemwise": {
        **_pytensor("pytensor.tensor.elemwise", "CAReduce DimShuffle Elemwise")
    },
    "theano.tensor.extra_ops": {
        **_pytensor(
            "pytensor.tensor.extra_ops",
            "bincount compress cumprod diff fill_diagonal fill_diagonal_offset repeat "
            "searchsorted squeeze unique",
        ),
        **_ours("tensor", "cumsum to_one_hot"),
    },
    "theano.tensor.nlinalg": {
        **_pytensor("pytensor.tensor.linalg", "det eig eigh pinv qr svd"),
        "matrix_inverse": PyTensor("pytensor.tensor.linalg", "inv"),
        **_pytensor("pytensor.tensor", "diag trace"),
        "matrix_dot": Ours("tensor"),
    },
    "theano.tensor.nnet": _NNET,
    "theano.tensor.nnet.abstract_conv": {
        **_ours(
            "abstract_conv",
            """
            AbstractConv2d AbstractConv2d_gradInputs AbstractConv2d_gradWeights AbstractConv3d
            AbstractConv3d_gradInputs AbstractConv3d_gradWeights get_conv_gradinputs_shape
            get_conv_gradinputs_shape_1axis get_conv_gradweights_shape
            get_conv_gradweights_shape_1axis get_conv_output_shape get_conv_shape_1axis
            """,
        ),
        **_ours("convolution", _CONVOLUTIONS),
        **_ours("upsampling", "bilinear_kernel_1D bilinear_kernel_2D bilinear_upsampling"),
        "conv2d": Ours("convolution", "of_2015"),
        **_unsupported(
            "frac_bilinear_upsampling",
            "ratios that are no integers are not supplied; use lasagne.layers.TransformerLayer",
        ),
        **_unsupported(
            "AbstractConv AbstractConv_gradInputs AbstractConv_gradWeights BaseAbstractConv",
            "it was Theano's own implementation; use AbstractConv2d or AbstractConv3d",
        ),
    },
    "theano.tensor.nnet.bn": {**_ours("bn", _BN_FUNCTIONS)},
    "theano.tensor.nnet.conv": {
        **_ours("convolution", "conv2d"),
        **_unsupported("ConvOp", _NO_OP_CLASS),
    },
    "theano.tensor.nnet.conv3d2d": {"conv3d": Ours("convolution", "video_conv3d")},
    "theano.tensor.nnet.neighbours": {
        **_ours("neighbours", "images2neibs neibs2images"),
        **_unsupported("Images2Neibs", _NO_OP_CLASS),
    },
    "theano.tensor.nnet.nnet": {
        **_ours("nnet", _NNET_FUNCTIONS),
        "sigmoid": PyTensor("pytensor.tensor"),
    },
    "theano.tensor.nnet.sigm": {
        **_ours("nnet", "hard_sigmoid softplus ultra_fast_sigmoid"),
        "sigmoid": PyTensor("pytensor.tensor"),
    },
    "theano.tensor.shared_randomstreams": {**_ours("random", "RandomStreams")},
    "theano.tensor.sharedvar": {
        **_pytensor("pytensor.tensor.sharedvar", "TensorSharedVariable"),
        "shared": Ours("functions"),
    },
    "theano.tensor.signal": _SIGNAL,
    "theano.tensor.signal.conv": {"conv2d": Ours("convolution", "signal_conv2d")},
    "theano.tensor.signal.downsample": {
        **_ours("signal", "DownsampleFactorMax max_pool_2d max_pool_2d_same_size"),
    },
    "theano.tensor.signal.pool": {
        **_ours("signal", "Pool max_pool_2d max_pool_2d_same_size pool_2d pool_3d"),
    },
    "theano.tensor.slinalg": {
        **_pytensor("pytensor.tensor.linalg", "cholesky expm kron solve solve_triangular"),
    },
    "theano.tensor.sort": {**_pytensor("pytensor.tensor.sort", "argsort sort")},
    "theano.tensor.subtensor": {
        **_pytensor(
            "pytensor.tensor.subtensor", "Subtensor IncSubtensor inc_subtensor set_subtensor take"
        ),
    },
    "theano.tensor.type": {"TensorType": Ours("tensor")},
    "theano.tensor.var": {
        "TensorVariable": Ours("tensor"),
        "TensorConstant": PyTensor("pytensor.tensor.variable"),
    },
    "theano.tensor.xlogx": _ours("tensor", "xlogx xlogy0"),
    "theano.updates": {"OrderedUpdates": Ours("updates")},
}

#: Modules of Theano's that cannot be imported, with everything below them, and why.
MISSING_MODULES: Mapping[str, str] = {
    "theano.d3viz": "PyTensor's own is at pytensor.d3viz",
    "theano.sandbox.cuda": _NO_GPU,
    "theano.sandbox.gpuarray": _NO_GPU,
    "theano.sparse": "PyTensor's own sparse tensors are at pytensor.sparse",
    "theano.tensor.nnet.Conv3D": "its order of axes was for one implementation; use conv3d",
    "theano.tensor.nnet.blocksparse": _NO_BLOCKS,
}
