"""What the symbolic operations of this library have in common."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.tensor import TensorType, as_tensor_variable

from ..kernels.contract import Kernels

__all__ = ["Kernel", "KernelOp", "float_tensor", "image_tensor", "pair_of", "tensor_of"]

#: From the values of a node's inputs to those of its outputs.
Kernel = Callable[..., tuple[Any, ...]]


class KernelOp(Op):
    """An operation that computes nothing itself: a kernel does.

    `kernel` is asked once, when a graph is compiled. `perform`, which PyTensor
    calls where our linker is not in charge, uses the portable kernels.
    """

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        """The function that computes `node`; an output that is not `needed` may be None."""
        raise NotImplementedError

    def frozen_kernel(
        self, node: Apply, kernels: Kernels, needed: tuple[bool, ...], values: list[Any]
    ) -> Kernel | None:
        """A kernel of the inputs whose `values` are None; the others keep their values for good.

        None where it would be no quicker than `kernel`.
        """
        return None

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        from ..kernels.portable import PortableKernels

        kernel = self.kernel(node, PortableKernels(), (True,) * len(node.outputs))
        for storage, value in zip(output_storage, kernel(*inputs), strict=True):
            storage[0] = value


def float_tensor(value: Any, ndim: int, name: str, op: str) -> Variable:
    """`value` as a symbolic float tensor of `ndim` dimensions; a TypeError says what came."""
    variable = as_tensor_variable(value)
    if variable.type.ndim != ndim or variable.type.dtype not in ("float32", "float64"):
        raise TypeError(
            f"{op}: {name} must be a {ndim}-dimensional float32 or float64 tensor; got "
            f"{variable.type.ndim} dimensions of {variable.type.dtype}."
        )
    return variable


def image_tensor(value: Any, op: str) -> Variable:
    """`value` as a symbolic batch of images (n_samples, n_channels, height, width)."""
    return float_tensor(value, 4, "the images", op)


def pair_of(value: Any, least: int, what: str) -> tuple[int, int]:
    """`value` as two Python integers, or a ValueError that says what came."""
    numbers = tuple(value) if isinstance(value, Iterable) else (value,)
    whole = all(hasattr(number, "__index__") and number >= least for number in numbers)
    if len(numbers) != 2 or not whole:
        raise ValueError(f"{what} must be two integers of at least {least}; got {value!r}.")
    return operator.index(numbers[0]), operator.index(numbers[1])


def tensor_of(dtype: str, shape: tuple[int | None, ...]) -> TensorType:
    """The type of tensors of `dtype` whose shape is known where `shape` is not None."""
    return TensorType(dtype, shape=shape)
