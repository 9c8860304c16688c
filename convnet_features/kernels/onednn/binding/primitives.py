"""How each kind of primitive is described to oneDNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...contract import Conv2DSpec, Pool2DSpec
from ...machine import Machine
from ..plan.layouts import (
    BLOCKS,
    CHANNELS_LAST,
    PLAIN,
    ROWS,
    prefers_blocks,
)
from . import declarations as dnnl
from .library import Library
from .objects import MemoryDesc, Primitive, UnsupportedError
from .post_ops import SUM, PostOp, of_activation

__all__ = ["Primitives", "first_supported"]


class Primitives:
    """Describes primitives of one library; each method raises `UnsupportedError` where it cannot.

    Descriptors made with `any` leave the layout to oneDNN.

    Parameters
    ----------
    library : Library
    machine : Machine, optional
        What choices of our own are made for; by default the machine that there is.
    """

    def __init__(self, library: Library, machine: Machine | None = None) -> None:
        self.library = library
        self.machine = machine or library.machine
        self._lib = library.lib
        self._attributes: dict[tuple[PostOp, ...], Any] = {}

    # Layouts

    def any(self, shape: Sequence[int]) -> MemoryDesc:
        """A shape whose layout oneDNN shall choose."""
        return self._tagged(shape, dnnl.TAG_ANY)

    def blocked(self, shape: Sequence[int], lanes: int) -> MemoryDesc:
        """Images, or filters, in blocks of 8 or 16 channels."""
        return self._tagged(shape, dnnl.TAG_BLOCKED[lanes])

    def blocked_filters(self, shape: Sequence[int], lanes: int) -> MemoryDesc:
        """Filters in blocks of 8 or 16 of them."""
        return self._tagged(shape, dnnl.TAG_BLOCKED_FILTERS[lanes])

    def _tagged(self, shape: Sequence[int], tag: int) -> MemoryDesc:
        pointer = self.library.ffi.new("dnnl_memory_desc_t *")
        self.library.check(
            self._lib.dnnl_memory_desc_create_with_tag(
                pointer, len(shape), self.library.dims(shape), dnnl.F32, tag
            ),
            f"describing an array of shape {tuple(shape)}",
        )
        return MemoryDesc(self.library, pointer[0], tuple(shape))

    def strided(self, shape: Sequence[int], strides: Sequence[int] | None = None) -> MemoryDesc:
        """An array with `strides` in elements; in C order without them."""
        if strides is None:
            strides = [1] * len(shape)
            for axis in range(len(shape) - 2, -1, -1):
                strides[axis] = strides[axis + 1] * shape[axis + 1]
        pointer = self.library.ffi.new("dnnl_memory_desc_t *")
        self.library.check(
            self._lib.dnnl_memory_desc_create_with_strides(
                pointer,
                len(shape),
                self.library.dims(shape),
                dnnl.F32,
                self.library.dims(strides),
            ),
            f"describing an array of shape {tuple(shape)} with strides {tuple(strides)}",
        )
        return MemoryDesc(self.library, pointer[0], tuple(shape))

    def images(self, shape: tuple[int, ...], layout: str) -> MemoryDesc:
        """A caller's images: plain or channels last."""
        if layout == PLAIN:
            return self.strided(shape)
        _, channels, rows, columns = shape
        return self.strided(shape, (rows * columns * channels, 1, columns * channels, channels))

    def filters(self, spec: Conv2DSpec, shape: tuple[int, ...]) -> MemoryDesc:
        """A caller's filters; oneDNN knows those of several groups with an axis for the groups."""
        if spec.groups == 1:
            return self.strided(shape)
        return self.strided((spec.groups, shape[0] // spec.groups, *shape[1:]))

    def layout_of(self, desc: MemoryDesc) -> str:
        """How images or rows lie in memory, in words."""
        shape = desc.shape
        if len(shape) != 4:
            return ROWS if desc == self.strided(shape) else "oneDNN's own"
        if desc == self.strided(shape):
            return PLAIN
        if desc == self.images(shape, CHANNELS_LAST):
            return CHANNELS_LAST
        blocks = (name for lanes, name in BLOCKS.items() if desc == self.blocked(shape, lanes))
        return next(blocks, "oneDNN's own")

    def laid_out(self, shape: tuple[int, ...], layout: str) -> MemoryDesc:
        """Images in one of the layouts that `layout_of` tells apart."""
        for lanes, name in BLOCKS.items():
            if name == layout:
                return self.blocked(shape, lanes)
        return self.strided(shape) if len(shape) != 4 else self.images(shape, layout)

    def channels(self, desc: MemoryDesc, start: int, count: int) -> MemoryDesc:
        """`count` of an array's channels, from `start` on, where they lie in it.

        In blocks, whole blocks: `start` must begin one, and `count` too, or end the array.
        """
        shape = (desc.shape[0], count, *desc.shape[2:])
        pointer = self.library.ffi.new("dnnl_memory_desc_t *")
        self.library.check(
            self._lib.dnnl_memory_desc_create_submemory(
                pointer,
                desc.pointer,
                self.library.dims(shape),
                self.library.dims((0, start, *[0] * (len(shape) - 2))),
            ),
            f"describing channels {start} to {start + count} of an array of shape {desc.shape}",
        )
        return MemoryDesc(self.library, pointer[0], shape)

    def like(self, shape: tuple[int, ...], desc: MemoryDesc) -> MemoryDesc:
        """A shape laid out as another array is."""
        if shape == desc.shape:
            return desc
        return self.laid_out(shape, self.layout_of(desc))

    def flat(self, desc: MemoryDesc) -> MemoryDesc:
        """All numbers of an array one after the other, its layout's padding included."""
        return self.strided((desc.size // 4,))

    # Primitives

    def reorder(self, source: MemoryDesc, target: MemoryDesc) -> Primitive:
        """A copy from one layout to another."""
        engine = self.library.engine
        return self._describe(
            f"reorder of {source.shape}",
            "reorder",
            source.pointer,
            engine,
            target.pointer,
            engine,
            self._attribute("linear"),
        )

    def convolution_forward(
        self,
        spec: Conv2DSpec,
        x: MemoryDesc,
        w: MemoryDesc,
        b: MemoryDesc | None,
        y: MemoryDesc,
        activation: str = "linear",
        training: bool = False,
        then: tuple[PostOp, ...] = (),
    ) -> Primitive:
        """activation(x correlated with w + b), and what comes `then`."""
        training = prefers_blocks(training, self.machine)
        return self._describe(
            f"convolution of {x.shape} with {w.shape}, {spec}",
            "convolution_forward",
            self.library.engine,
            dnnl.FORWARD_TRAINING if training else dnnl.FORWARD_INFERENCE,
            dnnl.CONVOLUTION_DIRECT,
            x.pointer,
            w.pointer,
            self._optional(b),
            y.pointer,
            *self._convolution_geometry(spec),
            self._attribute(activation, then),
        )

    def convolution_backward_data(
        self, spec: Conv2DSpec, gx: MemoryDesc, w: MemoryDesc, gy: MemoryDesc, hint: Primitive
    ) -> Primitive:
        """The gradient with respect to the images."""
        return self._describe(
            f"gradient by the images {gx.shape} of a convolution with {w.shape}, {spec}",
            "convolution_backward_data",
            self.library.engine,
            dnnl.CONVOLUTION_DIRECT,
            gx.pointer,
            w.pointer,
            gy.pointer,
            *self._convolution_geometry(spec),
            hint.pointer,
            self._attribute("linear"),
        )

    def convolution_backward_weights(
        self,
        spec: Conv2DSpec,
        x: MemoryDesc,
        gw: MemoryDesc,
        gb: MemoryDesc | None,
        gy: MemoryDesc,
        hint: Primitive,
    ) -> Primitive:
        """The gradients with respect to the filters and the biases."""
        return self._describe(
            f"gradient by the filters {gw.shape} of a convolution of {x.shape}, {spec}",
            "convolution_backward_weights",
            self.library.engine,
            dnnl.CONVOLUTION_DIRECT,
            x.pointer,
            gw.pointer,
            self._optional(gb),
            gy.pointer,
            *self._convolution_geometry(spec),
            hint.pointer,
            self._attribute("linear"),
        )

    def pooling_forward(
        self, spec: Pool2DSpec, x: MemoryDesc, y: MemoryDesc, training: bool = False
    ) -> Primitive:
        """Pooled images, and with `training` a workspace of where the maxima were."""
        return self._describe(
            f"pooling of {x.shape}, {spec}",
            "pooling_forward",
            self.library.engine,
            dnnl.FORWARD_TRAINING if training else dnnl.FORWARD_INFERENCE,
            self._pooling_algorithm(spec),
            x.pointer,
            y.pointer,
            *self._pooling_geometry(spec, x.shape, y.shape),
            self._attribute("linear"),
        )

    def pooling_backward(
        self, spec: Pool2DSpec, gx: MemoryDesc, gy: MemoryDesc, hint: Primitive
    ) -> Primitive:
        """The gradient with respect to the images."""
        return self._describe(
            f"gradient by the images of a pooling of {gx.shape}, {spec}",
            "pooling_backward",
            self.library.engine,
            self._pooling_algorithm(spec),
            gx.pointer,
            gy.pointer,
            *self._pooling_geometry(spec, gx.shape, gy.shape),
            hint.pointer,
            self._attribute("linear"),
        )

    def activation_forward(self, activation: str, desc: MemoryDesc) -> Primitive:
        """activation(x), element by element; may work in place."""
        return self._describe(
            f"{activation} of {desc.shape}",
            "eltwise_forward",
            *self._eltwise_forward(dnnl.ELTWISE[activation], desc),
        )

    def activation_backward(self, activation: str, desc: MemoryDesc) -> Primitive:
        """gy times the derivative, read off the activation's output; may work in place."""
        algorithm = dnnl.ALGORITHMS_FROM_OUTPUT[activation]
        hint = self._describe(
            f"{activation} of {desc.shape}",
            "eltwise_forward",
            *self._eltwise_forward(algorithm, desc),
        )
        return self._describe(
            f"gradient of {activation} of {desc.shape}",
            "eltwise_backward",
            self.library.engine,
            algorithm,
            desc.pointer,
            desc.pointer,
            desc.pointer,
            0.0,
            0.0,
            hint.pointer,
            self._attribute("linear"),
        )

    def function_forward(self, function: PostOp, desc: MemoryDesc) -> Primitive:
        """function(x), element by element; may work in place."""
        return self._describe(
            f"function of {desc.shape}",
            "eltwise_forward",
            *self._eltwise_forward(function.algorithm, desc, function.alpha, function.beta),
        )

    def multiple(self, factor: float, desc: MemoryDesc) -> Primitive:
        """factor · x, element by element; may work in place."""
        return self.function_forward(PostOp(dnnl.LINEAR, factor), desc)

    def function_backward(self, function: PostOp, desc: MemoryDesc) -> Primitive:
        """gy times the derivative at the function's input; may work in place."""
        return self._describe(
            f"gradient of a function of {desc.shape}",
            "eltwise_backward",
            self.library.engine,
            function.algorithm,
            desc.pointer,
            desc.pointer,
            desc.pointer,
            function.alpha,
            function.beta,
            self.function_forward(function, desc).pointer,
            self._attribute("linear"),
        )

    def _eltwise_forward(
        self, algorithm: int, desc: MemoryDesc, alpha: float = 0.0, beta: float = 0.0
    ) -> tuple[Any, ...]:
        return (
            self.library.engine,
            dnnl.FORWARD_TRAINING,
            algorithm,
            desc.pointer,
            desc.pointer,
            alpha,
            beta,
            self._attribute("linear"),
        )

    def normalisation_forward(
        self, desc: MemoryDesc, epsilon: float, rectify: bool = False
    ) -> Primitive:
        """Batch normalisation with the batch's own statistics, and perhaps a rectify."""
        return self._describe(
            f"batch normalisation of {desc.shape}",
            "batch_normalization_forward",
            self.library.engine,
            dnnl.FORWARD_TRAINING,
            desc.pointer,
            desc.pointer,
            epsilon,
            self._normalisation_flags(rectify),
            self._attribute("linear"),
        )

    def normalisation_backward(
        self, desc: MemoryDesc, epsilon: float, rectify: bool, hint: Primitive
    ) -> Primitive:
        """The gradients with respect to the images, scales and shifts; may work in place."""
        return self._describe(
            f"gradient of a batch normalisation of {desc.shape}",
            "batch_normalization_backward",
            self.library.engine,
            dnnl.BACKWARD,
            desc.pointer,
            desc.pointer,
            desc.pointer,
            epsilon,
            self._normalisation_flags(rectify),
            hint.pointer,
            self._attribute("linear"),
        )

    @staticmethod
    def _normalisation_flags(rectify: bool) -> int:
        return dnnl.USE_SCALE | dnnl.USE_SHIFT | (dnnl.FUSE_RECTIFY if rectify else 0)

    def matmul(
        self,
        a: MemoryDesc,
        b: MemoryDesc,
        y: MemoryDesc,
        bias: MemoryDesc | None = None,
        activation: str = "linear",
        then: tuple[PostOp, ...] = (),
    ) -> Primitive:
        """activation(a @ b + bias), and what comes `then`."""
        return self._describe(
            f"product of {a.shape} and {b.shape}",
            "matmul",
            self.library.engine,
            a.pointer,
            b.pointer,
            self._optional(bias),
            y.pointer,
            self._attribute(activation, then),
        )

    def multiplication(
        self,
        desc: MemoryDesc,
        activation: str = "linear",
        then: tuple[PostOp, ...] = (),
        other: MemoryDesc | None = None,
    ) -> Primitive:
        """activation(x · y), and what comes `then`, element by element; may work in place of x.

        y is of x's layout, or of another that is spread to it: one number a channel or a pixel.
        """
        return self._binary("multiplication", dnnl.BINARY_MUL, desc, activation, then, other)

    def addition(
        self,
        desc: MemoryDesc,
        activation: str = "linear",
        then: tuple[PostOp, ...] = (),
        other: MemoryDesc | None = None,
    ) -> Primitive:
        """activation(x + y), and what comes `then`: as `multiplication`."""
        return self._binary("addition", dnnl.BINARY_ADD, desc, activation, then, other)

    def _binary(
        self,
        name: str,
        algorithm: int,
        desc: MemoryDesc,
        activation: str,
        then: tuple[PostOp, ...],
        other: MemoryDesc | None,
    ) -> Primitive:
        other = other or desc
        return self._describe(
            f"{name} of {desc.shape} and {other.shape}",
            "binary",
            self.library.engine,
            algorithm,
            desc.pointer,
            other.pointer,
            desc.pointer,
            self._attribute(activation, then),
        )

    def softmax(self, desc: MemoryDesc, logarithm: bool) -> Primitive:
        """softmax over the rows of a matrix, or its logarithm."""
        return self._describe(
            f"softmax of {desc.shape}",
            "softmax_forward",
            self.library.engine,
            dnnl.FORWARD_INFERENCE,
            dnnl.LOG_SOFTMAX if logarithm else dnnl.SOFTMAX,
            desc.pointer,
            desc.pointer,
            1,
            self._attribute("linear"),
        )

    # What the above share

    def _describe(self, description: str, function: str, *arguments: Any) -> Primitive:
        pointer = self.library.ffi.new("dnnl_primitive_desc_t *")
        create = getattr(self._lib, f"dnnl_{function}_primitive_desc_create")
        with self.library.creating:
            status = create(pointer, *arguments)
        if status:
            name = self.library.text(self._lib.dnnl_status2str(status))
            raise UnsupportedError(f"oneDNN has no {description}: {name}")
        primitive = Primitive(self.library, pointer[0], description)
        if "ref" in primitive.implementation:
            raise UnsupportedError(f"oneDNN has only slow reference code for the {description}")
        return primitive

    def _optional(self, desc: MemoryDesc | None) -> Any:
        return self.library.ffi.NULL if desc is None else desc.pointer

    def _convolution_geometry(self, spec: Conv2DSpec) -> tuple[Any, ...]:
        (top, bottom), (left, right) = spec.padding
        dims = self.library.dims
        # oneDNN counts the pixels that are left out.
        between = dims([apart - 1 for apart in spec.dilation])
        return dims(spec.stride), between, dims((top, left)), dims((bottom, right))

    def _pooling_algorithm(self, spec: Pool2DSpec) -> int:
        # What overhangs the image is padding to oneDNN, but is not to be counted.
        clipped = spec.mode == "average_inc_pad" and not spec.ignore_border
        return dnnl.POOLING["average_exc_pad" if clipped else spec.mode]

    def _pooling_geometry(
        self, spec: Pool2DSpec, x_shape: tuple[int, ...], y_shape: tuple[int, ...]
    ) -> tuple[Any, ...]:
        after = list(spec.padding)
        if not spec.ignore_border:
            # Windows that overhang at the bottom or the right see padding there.
            after = [
                max(0, (outputs - 1) * step + extent - size)
                for size, outputs, extent, step in zip(
                    x_shape[2:], y_shape[2:], spec.window, spec.stride, strict=True
                )
            ]
        dims = self.library.dims
        return (
            dims(spec.stride),
            dims(spec.window),
            dims((0, 0)),
            dims(spec.padding),
            dims(after),
        )

    def _attribute(self, activation: str, then: tuple[PostOp, ...] = ()) -> Any:
        """Primitive attributes: our own scratchpad, and what is done to the results."""
        post_ops = (*of_activation(activation), *then)
        attribute = self._attributes.get(post_ops)
        if attribute is None:
            attribute = self._attributes[post_ops] = self._make_attribute(post_ops)
        return attribute

    def _make_attribute(self, post_ops: tuple[PostOp, ...]) -> Any:
        library, lib = self.library, self._lib
        pointer = library.ffi.new("dnnl_primitive_attr_t *")
        library.check(lib.dnnl_primitive_attr_create(pointer), "creating attributes")
        attribute = library.ffi.gc(pointer[0], lib.dnnl_primitive_attr_destroy)
        library.check(
            lib.dnnl_primitive_attr_set_scratchpad_mode(attribute, dnnl.SCRATCHPAD_USER),
            "choosing the scratchpad",
        )
        if post_ops:
            pointer = library.ffi.new("dnnl_post_ops_t *")
            library.check(lib.dnnl_post_ops_create(pointer), "creating post-operations")
            chain = library.ffi.gc(pointer[0], lib.dnnl_post_ops_destroy)
            for each in post_ops:
                library.check(self._append(chain, each), f"appending {each}")
            library.check(
                lib.dnnl_primitive_attr_set_post_ops(attribute, chain), "setting post-operations"
            )
        return attribute

    def _append(self, chain: Any, post_op: PostOp) -> int:
        if post_op == SUM:
            status: int = self._lib.dnnl_post_ops_append_sum(chain, 1.0, 0, dnnl.F32)
        else:
            status = self._lib.dnnl_post_ops_append_eltwise(chain, *post_op)
        return status


def first_supported(
    make: Callable[[MemoryDesc, MemoryDesc], Primitive],
    layouts: Sequence[tuple[MemoryDesc, MemoryDesc]],
) -> Primitive:
    """What `make` describes for the first layouts, of two arrays, that oneDNN has fast code for.

    Raises
    ------
    UnsupportedError
        It has none for the last either.
    """
    *others, last = layouts
    for each in others:
        try:
            return make(*each)
        except UnsupportedError:
            continue
    return make(*last)
