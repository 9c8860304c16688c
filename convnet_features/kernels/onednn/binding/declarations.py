"""The part of oneDNN's C API that is used here, as its header files declare it.

The wheel carries no headers, so the declarations are written down here: the
functions of ``dnnl.h`` and the numbers of ``dnnl_types.h``, version 3.2, which
later minor versions keep. `NAMED_NUMBERS` lets the library itself confirm the
numbers when it is loaded: one that calls them otherwise is refused.
"""

from __future__ import annotations

__all__ = [
    "ALGORITHMS_FROM_OUTPUT",
    "CDEF",
    "ELTWISE",
    "FUNCTIONS",
    "NAMED_NUMBERS",
    "POOLING",
    "SEMAPHORE_CDEF",
    "Arg",
    "Query",
]

CDEF = """
typedef int dnnl_status_t;
typedef int64_t dnnl_dim_t;
typedef struct dnnl_engine *dnnl_engine_t;
typedef struct dnnl_stream *dnnl_stream_t;
typedef struct dnnl_memory_desc *dnnl_memory_desc_t;
typedef const struct dnnl_memory_desc *const_dnnl_memory_desc_t;
typedef struct dnnl_memory *dnnl_memory_t;
typedef struct dnnl_primitive *dnnl_primitive_t;
typedef struct dnnl_primitive_desc *dnnl_primitive_desc_t;
typedef const struct dnnl_primitive_desc *const_dnnl_primitive_desc_t;
typedef struct dnnl_primitive_attr *dnnl_primitive_attr_t;
typedef struct dnnl_post_ops *dnnl_post_ops_t;
typedef struct { int arg; dnnl_memory_t memory; } dnnl_exec_arg_t;
typedef struct {
    int major; int minor; int patch; const char *hash;
    unsigned cpu_runtime; unsigned gpu_runtime;
} dnnl_version_t;

int omp_get_max_threads(void);
void omp_set_num_threads(int);
int omp_get_dynamic(void);
void omp_set_dynamic(int);
int omp_get_thread_limit(void);
int omp_get_max_active_levels(void);
int omp_in_parallel(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
void GOMP_parallel(void (*)(void *), void *, unsigned num_threads, unsigned flags);

const dnnl_version_t *dnnl_version(void);
const char *dnnl_status2str(int);
const char *dnnl_alg_kind2str(int);
const char *dnnl_prop_kind2str(int);
const char *dnnl_dt2str(int);
const char *dnnl_scratchpad_mode2str(int);
const char *dnnl_fmt_tag2str(int);
const char *dnnl_engine_kind2str(int);

dnnl_status_t dnnl_set_max_cpu_isa(int);
int dnnl_get_effective_cpu_isa(void);

dnnl_status_t dnnl_engine_create(dnnl_engine_t *, int kind, size_t index);
dnnl_status_t dnnl_stream_create(dnnl_stream_t *, dnnl_engine_t, unsigned flags);
dnnl_status_t dnnl_stream_destroy(dnnl_stream_t);
dnnl_status_t dnnl_stream_wait(dnnl_stream_t);

dnnl_status_t dnnl_memory_desc_create_with_strides(dnnl_memory_desc_t *, int ndims,
    const dnnl_dim_t *dims, int data_type, const dnnl_dim_t *strides);
dnnl_status_t dnnl_memory_desc_create_with_tag(dnnl_memory_desc_t *, int ndims,
    const dnnl_dim_t *dims, int data_type, int tag);
dnnl_status_t dnnl_memory_desc_create_submemory(dnnl_memory_desc_t *, const_dnnl_memory_desc_t,
    const dnnl_dim_t *dims, const dnnl_dim_t *offsets);
dnnl_status_t dnnl_memory_desc_clone(dnnl_memory_desc_t *, const_dnnl_memory_desc_t);
dnnl_status_t dnnl_memory_desc_destroy(dnnl_memory_desc_t);
int dnnl_memory_desc_equal(const_dnnl_memory_desc_t, const_dnnl_memory_desc_t);
size_t dnnl_memory_desc_get_size(const_dnnl_memory_desc_t);
dnnl_status_t dnnl_memory_create(dnnl_memory_t *, const_dnnl_memory_desc_t, dnnl_engine_t, void *);
dnnl_status_t dnnl_memory_set_data_handle(dnnl_memory_t, void *);
dnnl_status_t dnnl_memory_destroy(dnnl_memory_t);

dnnl_status_t dnnl_primitive_attr_create(dnnl_primitive_attr_t *);
dnnl_status_t dnnl_primitive_attr_destroy(dnnl_primitive_attr_t);
dnnl_status_t dnnl_primitive_attr_set_scratchpad_mode(dnnl_primitive_attr_t, int mode);
dnnl_status_t dnnl_primitive_attr_set_post_ops(dnnl_primitive_attr_t, dnnl_post_ops_t);
dnnl_status_t dnnl_post_ops_create(dnnl_post_ops_t *);
dnnl_status_t dnnl_post_ops_append_sum(dnnl_post_ops_t, float scale, int32_t zero_point,
    int data_type);
dnnl_status_t dnnl_post_ops_destroy(dnnl_post_ops_t);
dnnl_status_t dnnl_post_ops_append_eltwise(dnnl_post_ops_t, int algorithm, float alpha, float beta);

dnnl_status_t dnnl_primitive_desc_query(const_dnnl_primitive_desc_t, int what, int index, void *);
const_dnnl_memory_desc_t dnnl_primitive_desc_query_md(const_dnnl_primitive_desc_t, int what, int);
dnnl_status_t dnnl_primitive_desc_destroy(dnnl_primitive_desc_t);
dnnl_status_t dnnl_primitive_create(dnnl_primitive_t *, const_dnnl_primitive_desc_t);
dnnl_status_t dnnl_primitive_execute(dnnl_primitive_t, dnnl_stream_t, int,
    const dnnl_exec_arg_t *);
dnnl_status_t dnnl_primitive_destroy(dnnl_primitive_t);

dnnl_status_t dnnl_reorder_primitive_desc_create(dnnl_primitive_desc_t *,
    const_dnnl_memory_desc_t src, dnnl_engine_t, const_dnnl_memory_desc_t dst, dnnl_engine_t,
    dnnl_primitive_attr_t);
dnnl_status_t dnnl_convolution_forward_primitive_desc_create(dnnl_primitive_desc_t *,
    dnnl_engine_t, int prop_kind, int algorithm, const_dnnl_memory_desc_t src,
    const_dnnl_memory_desc_t weights, const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t dst,
    const dnnl_dim_t *strides, const dnnl_dim_t *dilates, const dnnl_dim_t *padding_l,
    const dnnl_dim_t *padding_r, dnnl_primitive_attr_t);
dnnl_status_t dnnl_convolution_backward_data_primitive_desc_create(dnnl_primitive_desc_t *,
    dnnl_engine_t, int algorithm, const_dnnl_memory_desc_t diff_src,
    const_dnnl_memory_desc_t weights, const_dnnl_memory_desc_t diff_dst,
    const dnnl_dim_t *strides, const dnnl_dim_t *dilates, const dnnl_dim_t *padding_l,
    const dnnl_dim_t *padding_r, const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t);
dnnl_status_t dnnl_convolution_backward_weights_primitive_desc_create(dnnl_primitive_desc_t *,
    dnnl_engine_t, int algorithm, const_dnnl_memory_desc_t src,
    const_dnnl_memory_desc_t diff_weights, const_dnnl_memory_desc_t diff_bias,
    const_dnnl_memory_desc_t diff_dst, const dnnl_dim_t *strides, const dnnl_dim_t *dilates,
    const dnnl_dim_t *padding_l, const dnnl_dim_t *padding_r, const_dnnl_primitive_desc_t hint,
    dnnl_primitive_attr_t);
dnnl_status_t dnnl_pooling_forward_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int prop_kind, int algorithm, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t dst,
    const dnnl_dim_t *strides, const dnnl_dim_t *kernel, const dnnl_dim_t *dilation,
    const dnnl_dim_t *padding_l, const dnnl_dim_t *padding_r, dnnl_primitive_attr_t);
dnnl_status_t dnnl_pooling_backward_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int algorithm, const_dnnl_memory_desc_t diff_src, const_dnnl_memory_desc_t diff_dst,
    const dnnl_dim_t *strides, const dnnl_dim_t *kernel, const dnnl_dim_t *dilation,
    const dnnl_dim_t *padding_l, const dnnl_dim_t *padding_r, const_dnnl_primitive_desc_t hint,
    dnnl_primitive_attr_t);
dnnl_status_t dnnl_eltwise_forward_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int prop_kind, int algorithm, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t dst,
    float alpha, float beta, dnnl_primitive_attr_t);
dnnl_status_t dnnl_eltwise_backward_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int algorithm, const_dnnl_memory_desc_t diff_src, const_dnnl_memory_desc_t diff_dst,
    const_dnnl_memory_desc_t data, float alpha, float beta, const_dnnl_primitive_desc_t hint,
    dnnl_primitive_attr_t);
dnnl_status_t dnnl_binary_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int algorithm, const_dnnl_memory_desc_t src0, const_dnnl_memory_desc_t src1,
    const_dnnl_memory_desc_t dst, dnnl_primitive_attr_t);
dnnl_status_t dnnl_matmul_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t weights, const_dnnl_memory_desc_t bias,
    const_dnnl_memory_desc_t dst, dnnl_primitive_attr_t);
dnnl_status_t dnnl_batch_normalization_forward_primitive_desc_create(dnnl_primitive_desc_t *,
    dnnl_engine_t, int prop_kind, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t dst,
    float epsilon, unsigned flags, dnnl_primitive_attr_t);
dnnl_status_t dnnl_batch_normalization_backward_primitive_desc_create(dnnl_primitive_desc_t *,
    dnnl_engine_t, int prop_kind, const_dnnl_memory_desc_t diff_src,
    const_dnnl_memory_desc_t diff_dst, const_dnnl_memory_desc_t src, float epsilon,
    unsigned flags, const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t);
dnnl_status_t dnnl_softmax_forward_primitive_desc_create(dnnl_primitive_desc_t *, dnnl_engine_t,
    int prop_kind, int algorithm, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t dst,
    int axis, dnnl_primitive_attr_t);
"""

#: POSIX's semaphores, larger than which none is.
SEMAPHORE_CDEF = """
typedef struct { int64_t room[16]; } sem_t;
int sem_init(sem_t *, int shared, unsigned value);
int sem_post(sem_t *);
int sem_getvalue(sem_t *, int *value);
int sem_destroy(sem_t *);
"""

F32 = 3
#: A status.
OUT_OF_MEMORY = 1
TAG_ANY = 1
#: Blocks of so many channels, each pixel's side by side; filters [filter][block][row][column].
TAG_BLOCKED = {8: 102, 16: 78}
#: Blocks of so many filters, side by side for each tap.
TAG_BLOCKED_FILTERS = {8: 74, 16: 73}
ENGINE_CPU = 1
STREAM_DEFAULT = 1
RUNTIME_OMP = 2
SCRATCHPAD_USER = 1
FORWARD_TRAINING = 64
FORWARD_INFERENCE = 96
BACKWARD = 128
#: Flags of batch normalisation.
USE_SCALE, USE_SHIFT, FUSE_RECTIFY = 2, 4, 8
CONVOLUTION_DIRECT = 1
BINARY_ADD = 0x1FFF0
BINARY_MUL = 0x1FFF1
SOFTMAX = 0x30000
LOG_SOFTMAX = 0x30001
ELTWISE = {"rectify": 0x20, "tanh": 0x21, "sigmoid": 0x29}
#: Multiples of each number.
LINEAR = 0x26
#: Of `ElementFunction`; each one's derivative is computed from what it is applied to.
FUNCTIONS = {
    "clip": 0x2E,
    "elu": 0x22,
    "gelu": 0x31,
    "gelu_tanh": 0x2B,
    "hard_sigmoid": 0x28,
    "hard_swish": 0x34,
    "leaky_rectify": 0x20,
    "mish": 0x33,
    "swish": 0x2C,
}
ALGORITHMS_FROM_OUTPUT = {"rectify": 0x100, "tanh": 0x101, "sigmoid": 0x104}
POOLING = {"max": 0x1FF, "average_inc_pad": 0x2FF, "average_exc_pad": 0x3FF}

#: (function, number, what the library must call it)
NAMED_NUMBERS = (
    ("dnnl_status2str", OUT_OF_MEMORY, "out_of_memory"),
    ("dnnl_dt2str", F32, "f32"),
    ("dnnl_fmt_tag2str", TAG_ANY, "any"),
    ("dnnl_fmt_tag2str", TAG_BLOCKED[8], "aBcd8b"),
    ("dnnl_fmt_tag2str", TAG_BLOCKED[16], "aBcd16b"),
    ("dnnl_fmt_tag2str", TAG_BLOCKED_FILTERS[8], "Abcd8a"),
    ("dnnl_fmt_tag2str", TAG_BLOCKED_FILTERS[16], "Abcd16a"),
    ("dnnl_engine_kind2str", ENGINE_CPU, "cpu"),
    ("dnnl_scratchpad_mode2str", SCRATCHPAD_USER, "user"),
    ("dnnl_prop_kind2str", FORWARD_TRAINING, "forward_training"),
    ("dnnl_prop_kind2str", FORWARD_INFERENCE, "forward_inference"),
    ("dnnl_prop_kind2str", BACKWARD, "backward"),
    ("dnnl_alg_kind2str", CONVOLUTION_DIRECT, "convolution_direct"),
    ("dnnl_alg_kind2str", BINARY_ADD, "binary_add"),
    ("dnnl_alg_kind2str", BINARY_MUL, "binary_mul"),
    ("dnnl_alg_kind2str", SOFTMAX, "softmax_accurate"),
    ("dnnl_alg_kind2str", LOG_SOFTMAX, "softmax_log"),
    ("dnnl_alg_kind2str", ELTWISE["rectify"], "eltwise_relu"),
    ("dnnl_alg_kind2str", ELTWISE["tanh"], "eltwise_tanh"),
    ("dnnl_alg_kind2str", ELTWISE["sigmoid"], "eltwise_logistic"),
    ("dnnl_alg_kind2str", LINEAR, "eltwise_linear"),
    ("dnnl_alg_kind2str", FUNCTIONS["clip"], "eltwise_clip"),
    ("dnnl_alg_kind2str", FUNCTIONS["elu"], "eltwise_elu"),
    ("dnnl_alg_kind2str", FUNCTIONS["gelu"], "eltwise_gelu_erf"),
    ("dnnl_alg_kind2str", FUNCTIONS["gelu_tanh"], "eltwise_gelu_tanh"),
    ("dnnl_alg_kind2str", FUNCTIONS["hard_sigmoid"], "eltwise_hardsigmoid"),
    ("dnnl_alg_kind2str", FUNCTIONS["hard_swish"], "eltwise_hardswish"),
    ("dnnl_alg_kind2str", FUNCTIONS["mish"], "eltwise_mish"),
    ("dnnl_alg_kind2str", FUNCTIONS["swish"], "eltwise_swish"),
    ("dnnl_alg_kind2str", ALGORITHMS_FROM_OUTPUT["rectify"], "eltwise_relu_use_dst_for_bwd"),
    ("dnnl_alg_kind2str", ALGORITHMS_FROM_OUTPUT["tanh"], "eltwise_tanh_use_dst_for_bwd"),
    ("dnnl_alg_kind2str", ALGORITHMS_FROM_OUTPUT["sigmoid"], "eltwise_logistic_use_dst_for_bwd"),
    ("dnnl_alg_kind2str", POOLING["max"], "pooling_max"),
    ("dnnl_alg_kind2str", POOLING["average_inc_pad"], "pooling_avg_include_padding"),
    ("dnnl_alg_kind2str", POOLING["average_exc_pad"], "pooling_avg_exclude_padding"),
)


class Query:
    """What a primitive descriptor can be asked for: ``dnnl_query_t``."""

    IMPLEMENTATION = 8
    SRC = 129
    DIFF_SRC = 130
    WEIGHTS = 131
    DIFF_WEIGHTS = 132
    DST = 133
    DIFF_DST = 134
    WORKSPACE = 135
    SCRATCHPAD = 136


class Arg:
    """Which argument of a primitive a memory is: the ``DNNL_ARG_*`` numbers."""

    SRC = 1
    SRC_1 = 2
    DST = 17
    WEIGHTS = 33
    BIAS = 41
    MEAN = 49
    VARIANCE = 50
    SCALE = 51
    SHIFT = 52
    WORKSPACE = 64
    SCRATCHPAD = 80
    DIFF_SRC = 129
    DIFF_DST = 145
    DIFF_WEIGHTS = 161
    DIFF_BIAS = 169
    DIFF_SCALE = 255
    DIFF_SHIFT = 256
