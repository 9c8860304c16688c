"""What all generated functions begin with, and the vector operations that they share.

A function takes an array of addresses, and is called by all threads of an
OpenMP region with the same array.
"""

from __future__ import annotations

from collections.abc import Sequence

from .code import Code

__all__ = [
    "N_THREADS",
    "THREAD_NUMBER",
    "broadcast",
    "declarations",
    "fused",
    "greatest",
    "rectified",
    "share",
    "taken",
]

#: What functions call OpenMP's ``omp_get_thread_num`` and ``omp_get_num_threads`` by: addresses
#: differ in each process, and other libraries bring OpenMPs of their own.
THREAD_NUMBER, N_THREADS = "convnet_features.thread_number", "convnet_features.n_threads"


def declarations(lanes: int) -> list[str]:
    """What functions use of LLVM's own and of OpenMP."""
    vector = f"<{lanes} x float>"
    return [
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "declare i64 @llvm.smin.i64(i64, i64)",
        f"declare i32 @{THREAD_NUMBER}()",
        f"declare i32 @{N_THREADS}()",
        "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
    ]


def taken(code: Code, names: Sequence[str]) -> dict[str, str]:
    """The arguments by name; ``n_samples`` is a number."""
    return {
        name: code.load(
            "i64" if name == "n_samples" else "ptr", code.at("%arguments", index, "ptr"), 8
        )
        for index, name in enumerate(names)
    }


def share(code: Code, total: str | int) -> tuple[str, str, str]:
    """This thread's number, and the beginning and end of its share of range(total)."""
    number, count = (
        code.let(f"sext i32 {code.let(f'call i32 @{name}()')} to i64")
        for name in (THREAD_NUMBER, N_THREADS)
    )
    begin, end = (
        code.let(f"sdiv i64 {code.mul(total, each)}, {count}")
        for each in (number, code.add(number, 1))
    )
    return number, begin, end


def broadcast(code: Code, lanes: int, value: str) -> str:
    """A vector of one number."""
    vector = f"<{lanes} x float>"
    single = code.let(f"insertelement {vector} poison, float {value}, i64 0")
    return code.let(
        f"shufflevector {vector} {single}, {vector} poison, <{lanes} x i32> zeroinitializer"
    )


def fused(code: Code, lanes: int, a: str, b: str, c: str) -> str:
    """a · b + c, rounded once."""
    vector = f"<{lanes} x float>"
    return code.let(
        f"call {vector} @llvm.fma.v{lanes}f32({vector} {a}, {vector} {b}, {vector} {c})"
    )


def greatest(
    code: Code, lanes: int, values: Sequence[str], with_position: bool = False
) -> tuple[str, str]:
    """The maximum of vectors, lane by lane, and in bytes which it was: of several the first."""
    vector, numbers = f"<{lanes} x float>", f"<{lanes} x i32>"
    largest = values[0]
    position = code.let(f"add {numbers} zeroinitializer, zeroinitializer") if with_position else ""
    for number, value in enumerate(values[1:], start=1):
        better = code.let(f"fcmp ogt {vector} {value}, {largest}")
        largest = code.let(f"select <{lanes} x i1> {better}, {vector} {value}, {vector} {largest}")
        if with_position:
            constant = "<" + ", ".join([f"i32 {number}"] * lanes) + ">"
            position = code.let(
                f"select <{lanes} x i1> {better}, {numbers} {constant}, {numbers} {position}"
            )
    if with_position:
        position = code.let(f"trunc {numbers} {position} to <{lanes} x i8>")
    return largest, position


def rectified(code: Code, lanes: int, value: str) -> str:
    """max(value, 0); what is not a number is not below zero either, and stays."""
    vector = f"<{lanes} x float>"
    below = code.let(f"fcmp ole {vector} {value}, zeroinitializer")
    return code.let(f"select <{lanes} x i1> {below}, {vector} zeroinitializer, {vector} {value}")
