"""Kernels generated for the shapes at hand, as machine code, by LLVM.

oneDNN has a primitive for every layer but none for what lies between layers,
and it multiplies all that a convolution's formula says. Where that is worth
more than a tenth of a training step, a kernel of our own is generated here.
LLVM comes with PyTensor (as ``llvmlite``, through Numba, which itself is never
imported), so that nothing needs to be installed.
"""
