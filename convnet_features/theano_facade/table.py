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
_ONE_WAY = "there is one way to compile; leave the mode out"

# ---------------------------------------------------------------------------
# theano

_THEANO: dict[str, Entry] = {
    **_modules(
        "compat compile gof gpuarray gradient ifelse misc printing sandbox scalar scan_module "
        "tensor updates version"
    ),
    **_ours("functions", "function shared clone In Param"),
    **_ours("loops", "scan map reduce foldl foldr"),
    **_pytensor("pytensor", "Out"),
    **_ours("gradients", "Lop Rop grad subgraph_grad"),
    **_pytensor("pytensor.graph.basic", "Apply Constant"),
    **_pytensor("pytensor.graph.op", "Op"),
    **_pytensor("pytensor.graph.fg", "FunctionGraph"),
    **_pytensor("pytensor.graph.type", "Type"),
    **_pytensor("pytensor.graph.utils", "InconsistencyError"),
    **_pytensor("pytensor.link.basic", "Container"),
    **_ours("modes", "Mode"),
    "_asarray": Ours("tensor", "asarray"),
    "config": Value(config),
    "get_scalar_constant_value": PyTensor("pytensor.tensor"),
    "pprint": PyTensor("pytensor.printing"),
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
    **_unsupported(
        "CLinker DualLinker LocalLinker OpWiseCLinker PerformLinker predefined_linkers "
        "predefined_modes predefined_optimizers",
        _ONE_WAY,
    ),
}

# ---------------------------------------------------------------------------
# theano.tensor

_DIMENSIONS = ["scalar", "vector", "row", "col", "matrix", "tensor3", "tensor4", "tensor5"]
_SEVERAL = ["scalars", "vectors", "rows", "cols", "matrices", "tensor3s", "tensor4s"]


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
allclose complex complex_from_polar conjugate divmod gammainc gammaincc gammal gammau i0 i1
iround iv j0 j1 jv round_half_away_from_zero round_half_to_even second softplus
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
bartlett bincount broadcast_shape extract_diag flatnonzero largest permute_row_elements
ravel_multi_index scalar_from_tensor smallest stacklists unravel_index
"""
_SORTING = "argtopk topk topk_and_argtopk"
_DTYPES = """
all_dtypes complex_dtypes continuous_dtypes discrete_dtypes float_dtypes int_dtypes uint_dtypes
"""

_TENSOR: dict[str, Entry] = {
    **_modules(
        "basic blas elemwise extra_ops nlinalg nnet opt shared_randomstreams sharedvar signal "
        "slinalg subtensor type xlogx"
    ),
    **_pytensor("pytensor.tensor", _CONSTRUCTORS),
    **_pytensor("pytensor.tensor", _ELEMENTWISE),
    **_pytensor("pytensor.tensor", _REDUCTIONS),
    **_pytensor("pytensor.tensor", _SHAPES),
    **_pytensor("pytensor.tensor.type", _DTYPES),
    **_pytensor("pytensor.tensor.basic", "AllocEmpty Alloc alloc_diag extract_constant"),
    **_pytensor("pytensor.tensor.type_other", "NoneConst"),
    **_pytensor("pytensor.gradient", "numeric_grad"),
    **_ours("gradients", "Lop Rop grad hessian jacobian verify_grad"),
    **_pytensor("pytensor.tensor.variable", "TensorConstant"),
    **_pytensor("pytensor.tensor.sharedvar", "TensorSharedVariable"),
    **_pytensor("numpy", "e inf nan newaxis pi"),
    **_ours(
        "tensor",
        "TensorType TensorVariable Variable addbroadcast batched_dot clip cumsum dot flatten "
        "max_and_argmax patternbroadcast stack tensor to_one_hot unbroadcast",
    ),
    **_ours("tensor", f"chi2sf {_SORTING}"),
    "norm": PyTensor("pytensor.tensor.linalg"),
    "as_tensor": PyTensor("pytensor.tensor", "as_tensor_variable"),
    "is_flat": PyTensor("pytensor.tensor"),
    **_unsupported("batched_tensordot", "PyTensor has dropped it; use batched_dot, or tensordot"),
    "Dot": PyTensor("pytensor.tensor.math"),
    "Elemwise": PyTensor("pytensor.tensor.elemwise"),
    "CAReduce": PyTensor("pytensor.tensor.elemwise"),
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

_NEIGHBOURS: dict[str, Entry] = {
    **_ours("neighbours", "images2neibs neibs2images"),
    **_unsupported("Images2Neibs", _NO_OP_CLASS),
}

# ---------------------------------------------------------------------------
# theano.tensor.nlinalg, theano.tensor.slinalg, theano.scalar and theano.compat

_NLINALG: dict[str, Entry] = {
    **_pytensor(
        "pytensor.tensor.linalg",
        "det eig eigh lstsq matrix_power norm pinv qr svd tensorinv tensorsolve",
    ),
    **_pytensor("pytensor.tensor", "diag extract_diag trace"),
    "alloc_diag": PyTensor("pytensor.tensor.basic"),
    "matrix_dot": Ours("tensor"),
    "matrix_inverse": PyTensor("pytensor.tensor.linalg", "inv"),
}
_SLINALG: dict[str, Entry] = {
    **_pytensor("pytensor.tensor.linalg", "cholesky eigvalsh expm kron solve solve_triangular"),
    **_ours("tensor", "solve_lower_triangular solve_upper_triangular"),
}
_SCALARS = """
BinaryScalarOp Composite ScalarOp UnaryScalarOp abs add as_scalar bool cast complex128 complex64
constant discrete_types exp float32 float64 float_types identity int16 int32 int64 int8 int_div log
maximum minimum mul neg pow same_out second sigmoid sqr sqrt sub switch tanh true_div uint8 upcast
upgrade_to_float upgrade_to_float_no_complex
"""
_COMPAT: dict[str, Entry] = {
    "OrderedDict": PyTensor("collections"),
    "ifilter": PyTensor("builtins", "filter"),
    "imap": PyTensor("builtins", "map"),
    "izip": PyTensor("builtins", "zip"),
}

#: Every module that can be imported, and its names.
TABLE: Mapping[str, Mapping[str, Entry]] = {
    "theano": _THEANO,
    "theano.compat": {
        **_modules("python2x"),
        **_COMPAT,
        **_unsupported("six", "six is a package of its own"),
    },
    "theano.compat.python2x": _COMPAT,
    "theano.compile": {
        **_ours("functions", "function shared In Param"),
        **_ours("modes", "DebugMode Mode MonitorMode get_default_mode"),
        **_ours("wrapped_graphs", "OpFromGraph"),
        **_pytensor("pytensor", "Out"),
        **_pytensor("pytensor.compile.sharedvalue", "SharedVariable"),
        **_modules("builders debugmode io mode monitormode nanguardmode ops sharedvalue"),
        "as_op": PyTensor("pytensor.compile.ops", "wrap_py"),
        **_unsupported("FAST_RUN FAST_COMPILE optdb predefined_modes", _ONE_WAY),
        **_unsupported("ProfileStats profiling", "compiled functions keep no profile"),
    },
    "theano.compile.builders": {**_ours("wrapped_graphs", "OpFromGraph")},
    "theano.compile.debugmode": {**_ours("modes", "DebugMode")},
    "theano.compile.io": {**_ours("functions", "In"), **_pytensor("pytensor", "Out")},
    "theano.compile.mode": {
        **_ours("modes", "Mode get_default_mode"),
        **_unsupported("FAST_RUN FAST_COMPILE get_mode optdb predefined_modes", _ONE_WAY),
    },
    "theano.compile.monitormode": {**_ours("modes", "MonitorMode")},
    "theano.compile.nanguardmode": {**_ours("modes", "NanGuardMode")},
    "theano.compile.ops": {"as_op": PyTensor("pytensor.compile.ops", "wrap_py")},
    "theano.compile.sharedvalue": {
        **_ours("functions", "shared"),
        **_pytensor("pytensor.compile.sharedvalue", "SharedVariable"),
    },
    "theano.gof": {
        **_modules("fg graph op type utils"),
        **_pytensor("pytensor.graph.basic", "Apply Constant"),
        **_pytensor("pytensor.graph.utils", "InconsistencyError MissingInputError"),
        **_pytensor("pytensor.link.basic", "Container Linker PerformLinker"),
        **_pytensor("pytensor.link.c.op", "COp OpenMPOp"),
        **_pytensor("pytensor.link.c.type", "Generic generic"),
        **_ours("tensor", "Variable"),
        **_pytensor("pytensor.graph.op", "Op"),
        **_pytensor("pytensor.graph.fg", "FunctionGraph"),
        **_pytensor("pytensor.graph.type", "Type"),
        **_unsupported(
            "DB EquilibriumDB LocalOptimizer Optimizer SequenceDB local_optimizer opt",
            "nothing here applies optimisations that were registered",
        ),
    },
    "theano.gof.fg": {
        **_pytensor("pytensor.graph.fg", "FunctionGraph"),
        **_pytensor("pytensor.graph.utils", "MissingInputError"),
    },
    "theano.gof.type": {
        **_pytensor("pytensor.graph.type", "Type"),
        **_pytensor("pytensor.link.c.type", "Generic generic"),
    },
    "theano.gof.graph": {
        **_pytensor("pytensor.graph.basic", "Apply Constant Node clone clone_get_equiv"),
        **_pytensor("pytensor.graph.traversal", "io_toposort orphans_between vars_between"),
        "list_of_nodes": PyTensor("pytensor.graph.traversal", "applys_between"),
        "ops": PyTensor("pytensor.graph.traversal", "applys_between"),
        "orphans": PyTensor("pytensor.graph.traversal", "orphans_between"),
        "variables": PyTensor("pytensor.graph.traversal", "vars_between"),
        **_ours("graphs", "ancestors inputs"),
        "is_same_graph": Ours("functions"),
        "Variable": Ours("tensor"),
    },
    "theano.gof.op": {**_pytensor("pytensor.graph.op", "Op")},
    "theano.gof.utils": {**_pytensor("pytensor.graph.utils", "MethodNotDefined")},
    "theano.gpuarray": {
        "pygpu_activated": Value(False),
        **_modules("basic_ops dnn"),
        **_unsupported("GpuArrayType blas fft type use", _NO_GPU),
    },
    "theano.gpuarray.basic_ops": {
        **dict.fromkeys(["as_gpuarray_variable", "gpu_contiguous"], Ours("cuda", "as_it_is")),
        **_unsupported("GpuFromHost HostFromGpu gpu_alloc_empty infer_context_name", _NO_GPU),
    },
    "theano.gpuarray.dnn": {
        "dnn_available": Ours("cuda"),
        "dnn_present": Ours("cuda", "dnn_available"),
        **_ours("cuda", "dnn_conv dnn_pool"),
        "dnn_batch_normalization_test": Ours("bn", "batch_normalization_test"),
        "dnn_batch_normalization_train": Ours("bn", "batch_normalization_train"),
        "dnn_conv3d": Ours("cuda", "dnn_conv"),
        **_unsupported("dnn_gradinput dnn_gradweight", "use conv2d_grad_wrt_inputs or _weights"),
        **_unsupported("dnn_spatialtf", "use lasagne.layers.TransformerLayer"),
        **_unsupported("GpuDnnConv GpuDnnConvDesc GpuDnnConvGradI GpuDnnSoftmax version", _NO_GPU),
    },
    "theano.gradient": {
        **_pytensor(
            "pytensor.gradient",
            """
            DisconnectedGrad DisconnectedInputError DisconnectedType GradClip GradScale
            GradientError NullTypeGradError ZeroGrad disconnected_grad disconnected_type grad_clip
            grad_not_implemented grad_scale grad_undefined numeric_grad undefined_grad zero_grad
            """,
        ),
        **_ours("gradients", "Lop Rop grad hessian jacobian subgraph_grad verify_grad"),
        "consider_constant": PyTensor("pytensor.gradient", "zero_grad"),
    },
    "theano.ifelse": {"ifelse": Ours("functions")},
    "theano.misc": {
        **_modules("safe_asarray"),
        **_unsupported("pkl_utils", "pickle saves functions and shared variables"),
    },
    "theano.misc.safe_asarray": {"_asarray": Ours("tensor", "asarray")},
    "theano.printing": {
        **_pytensor("pytensor.printing", "Print debugprint min_informative_str"),
        "pp": PyTensor("pytensor.printing", "pprint"),
        "pprint": PyTensor("pytensor.printing"),
        **_unsupported("pydotprint", "it needs Graphviz; use theano.printing.debugprint"),
    },
    "theano.sandbox": {
        **_modules("cuda linalg neighbours rng_mrg softsign"),
        **_unsupported("gpuarray", _NO_GPU),
    },
    "theano.sandbox.cuda": {
        "cuda_available": Value(False),
        "cuda_enabled": Value(False),
        **_modules("basic_ops dnn"),
        **_unsupported("CudaNdarrayType CudaNdarray blas use", _NO_GPU),
    },
    "theano.sandbox.cuda.basic_ops": {
        **dict.fromkeys(
            ["as_cuda_ndarray_variable", "gpu_contiguous", "gpu_from_host", "host_from_gpu"],
            Ours("cuda", "as_it_is"),
        ),
        **_unsupported("GpuAllocEmpty GpuFromHost HostFromGpu gpu_alloc_empty", _NO_GPU),
    },
    "theano.sandbox.cuda.dnn": {
        "dnn_available": Ours("cuda"),
        "dnn_conv": Ours("cuda", "dnn_conv_of_2015"),
        "dnn_conv3d": Ours("cuda", "dnn_conv_of_2015"),
        "dnn_pool": Ours("cuda"),
        **_unsupported("dnn_gradinput dnn_gradweight", "use conv2d_grad_wrt_inputs or _weights"),
        **_unsupported("GpuDnnConv GpuDnnConvDesc GpuDnnConvGradI GpuDnnSoftmax", _NO_GPU),
    },
    "theano.sandbox.linalg": {**_NLINALG, **_SLINALG},
    "theano.sandbox.neighbours": _NEIGHBOURS,
    "theano.sandbox.softsign": {**_ours("nnet", "softsign")},
    "theano.sandbox.rng_mrg": {**_ours("random", "MRG_RandomStreams")},
    "theano.scalar": {
        **_modules("basic"),
        **_pytensor("pytensor.scalar", _SCALARS),
        "Scalar": PyTensor("pytensor.scalar", "ScalarType"),
    },
    "theano.scalar.basic": {
        **_pytensor("pytensor.scalar", _SCALARS),
        "Scalar": PyTensor("pytensor.scalar", "ScalarType"),
    },
    "theano.scan_module": {
        **_modules("scan_utils scan_views"),
        "clone": Ours("functions"),
        **_ours("loops", "scan map reduce foldl foldr"),
        **_pytensor("pytensor.scan.utils", "until"),
    },
    "theano.scan_module.scan_utils": {
        **_pytensor("pytensor.graph.basic", "equal_computations"),
        **_pytensor("pytensor.scan.utils", "until"),
        "clone": Ours("functions"),
    },
    "theano.scan_module.scan_views": {**_ours("loops", "map reduce foldl foldr")},
    "theano.tensor": _TENSOR,
    "theano.tensor.basic": {
        name: entry for name, entry in _TENSOR.items() if not isinstance(entry, Module)
    },
    "theano.tensor.blas": {**_ours("tensor", "batched_dot dot")},
    "theano.tensor.elemwise": {
        **_pytensor("pytensor.tensor.elemwise", "CAReduce DimShuffle Elemwise"),
        **_pytensor("pytensor.tensor.math", "All Any Prod Sum"),
    },
    "theano.tensor.extra_ops": {
        **_pytensor(
            "pytensor.tensor.extra_ops",
            "bartlett bincount broadcast_shape compress cumprod diff fill_diagonal "
            "fill_diagonal_offset ravel_multi_index repeat searchsorted squeeze unique "
            "unravel_index",
        ),
        **_ours("tensor", "cumsum to_one_hot"),
    },
    "theano.tensor.nlinalg": {
        **_NLINALG,
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
    "theano.tensor.nnet.neighbours": _NEIGHBOURS,
    "theano.tensor.nnet.nnet": {
        **_ours("nnet", _NNET_FUNCTIONS),
        "sigmoid": PyTensor("pytensor.tensor"),
    },
    "theano.tensor.nnet.sigm": {
        **_ours("nnet", "hard_sigmoid softplus ultra_fast_sigmoid"),
        "sigmoid": PyTensor("pytensor.tensor"),
    },
    "theano.tensor.opt": {
        **_pytensor("pytensor.raise_op", "Assert assert_op"),
        **_unsupported(
            "get_scalar_constant_value register_canonicalize register_specialize",
            "nothing here applies optimisations that were registered",
        ),
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
        **_SLINALG,
    },
    "theano.tensor.sort": {
        **_pytensor("pytensor.tensor.sort", "argsort sort"),
        **_ours("tensor", _SORTING),
    },
    "theano.tensor.subtensor": {
        **_pytensor(
            "pytensor.tensor.subtensor", "Subtensor IncSubtensor inc_subtensor set_subtensor take"
        ),
    },
    "theano.tensor.type": {"TensorType": Ours("tensor")},
    "theano.tensor.type_other": {
        **_pytensor("pytensor.tensor.type_other", "MakeSlice NoneConst SliceType"),
    },
    "theano.tensor.var": {
        "TensorVariable": Ours("tensor"),
        **_pytensor("pytensor.tensor.variable", "TensorConstant _tensor_py_operators"),
    },
    "theano.tensor.xlogx": _ours("tensor", "xlogx xlogy0"),
    "theano.updates": {"OrderedUpdates": Ours("updates")},
    "theano.version": {"version": Value("0.8.2+convnet_features")},
}

#: Modules of Theano's that cannot be imported, with everything below them, and why.
MISSING_MODULES: Mapping[str, str] = {
    "theano.compat.six": "six is a package of its own",
    "theano.compile.profiling": "compiled functions keep no profile",
    "theano.gof.opt": "nothing here applies optimisations that were registered",
    "theano.gpuarray": _NO_GPU,
    "theano.misc.pkl_utils": "pickle saves functions and shared variables",
    "theano.d3viz": "PyTensor's own is at pytensor.d3viz",
    "theano.sandbox.cuda": _NO_GPU,
    "theano.sandbox.gpuarray": _NO_GPU,
    "theano.sparse": "PyTensor's own sparse tensors are at pytensor.sparse",
    "theano.tensor.nnet.Conv3D": "its order of axes was for one implementation; use conv3d",
    "theano.tensor.nnet.blocksparse": _NO_BLOCKS,
    "theano.tensor.nnet.ctc": _NO_C,
    "theano.tensor.raw_random": "draw from theano.tensor.shared_randomstreams.RandomStreams",
}
