"""From symbolic graphs to straight-line functions."""

from .linker import mode
from .program import compile_in_place, compile_program, link, rewritten_graph
from .straight_line import straight_line

__all__ = [
    "compile_in_place",
    "compile_program",
    "link",
    "mode",
    "rewritten_graph",
    "straight_line",
]
