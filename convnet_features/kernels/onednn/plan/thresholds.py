"""Thresholds, each with its measurement (docs/design/journal.md has the whole of it).

The table in docs/design/planning.md is made from this module. Others read thresholds here at each
use, so that tests can set them.
"""

from __future__ import annotations

__all__ = [
    "FILTERS",
    "IN_TRAINING",
    "LARGEST_ARRAY",
    "LARGEST_STEP",
    "LARGEST_WINDOW",
    "LARGE_WEIGHTS",
    "LEAST_STRIDE",
    "LONGEST_FILTER",
    "MOST_TAPS",
    "SCRATCH",
    "SHARE",
    "SMALL_PRODUCT",
    "SUMS",
    "TILES",
    "TILES_IN_TRAINING",
    "WORK_OF_ONE_THREAD",
    "WORTH_GENERATING",
    "is_for_one_thread",
    "is_large_product",
]

#: Multiplications of a forward pass from which on code is generated: generating takes 15 to
#: 120 ms a layer, as long as hundreds of passes of less.
WORTH_GENERATING = 20_000_000
#: How many times a multiplication counts in training. Four million of them, gradients and all,
#: save 0.1 ms a step, and even the smallest data are trained on in more than a thousand steps.
IN_TRAINING = 5
#: Pixels of a pooling's window. oneDNN notes in one byte which of them was the maximum.
LARGEST_WINDOW = 255
#: Pixels between the windows of a pooling, in both directions multiplied, from which on its maxima
#: are few enough: of 2×2 three quarters of the gradient are zeros (0.43 + 0.78 ms for 2.35 + 1.87).
LEAST_STRIDE = 4
#: Taps of a filter, added up over all places at an image's border and inside, up to which code
#: is generated for the gradients at positions of maxima: for each of them there is an instruction.
MOST_TAPS = 1000
#: Rows or columns of a filter up to which Winograd's algorithm is generated: of 7×7 it
#: has 100 products, each with code of its own.
LONGEST_FILTER = 7
#: The share of multiplications that Winograd's algorithm may leave. Transforms take 0.08 of a
#: convolution of 5×5 (predicted 0.57 of oneDNN's time for 0.49 of the multiplications; found 0.57).
SHARE = 0.65
#: Bytes of scratch memory that a thread may need for Winograd's algorithm. Turns of 256 KiB to
#: 1.2 MiB differ by a tenth in time; images so wide that one row of tiles takes more are left to
#: oneDNN.
SCRATCH = 4 << 20
#: Tiles of all images from which on it does not matter what filters become for Winograd's
#: algorithm: they are gone through once a turn of tiles, and many come from far away each time. On
#: one thread of a processor with 2 MiB of L2 cache, of oneDNN's time: 512 channels at 7×7 (filters
#: of 16 MiB), one image of 16 tiles, 0.8; 256 at 14×14 (4 MiB), 49 tiles, 0.65; 512 at 14×14, 49
#: tiles, 0.6; 512 at 28×28, 196 tiles, 0.58.
TILES = 16
#: The same in training, where filters are transformed at every step: 20 ns a filter and channel,
#: which 80 tiles save.
TILES_IN_TRAINING = 128
#: Bytes of filters up to which fewer tiles will do.
FILTERS = 2 << 20
#: Bytes of a filters' gradient, product by product: it is gone through once a turn, and beyond this
#: would go through memory (64 to 128 channels at 16×16, 0.5 MB: 12.1 ms for oneDNN's 22.4).
SUMS = 3 << 19
#: Bytes of a dense layer's weights from which on they come from memory. On one thread, one sample:
#: 25,088 × 4,096 numbers at 7.7 GB/s by oneDNN, in the order in which they lie at 15.9; 4,096 ×
#: 4,096 at 9.0 and 25.6; 2,048 × 1,000 (8 MB) at 25.6 and 28.
LARGE_WEIGHTS = 32 << 20
#: Multiplications below which one thread is as fast as two (one image of the seed network, 4.2
#: million: 54 to 59 µs and 53 to 58), and never waits for another.
WORK_OF_ONE_THREAD = 12_000_000
#: Multiplications of a matrix product from which on it is oneDNN's; NumPy computes smaller ones
#: without any thread.
SMALL_PRODUCT = 65_536
#: Numbers of an array: oneDNN's generated code computes addresses in 32 bits.
LARGEST_ARRAY = 2**31 // 4
#: Strides, windows and paddings: products of two of them are addresses too.
LARGEST_STEP = 2**15


def is_for_one_thread(work: int) -> bool:
    """Whether so many multiplications are done by one thread."""
    return work < WORK_OF_ONE_THREAD


def is_large_product(work: int) -> bool:
    """Whether a matrix product of so many multiplications is given to oneDNN."""
    return work >= SMALL_PRODUCT
