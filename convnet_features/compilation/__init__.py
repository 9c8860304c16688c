"""From symbolic graphs to straight-line functions."""

from .linker import mode
from .program import compile_in_place, compile_program
from .straight_line import straight_line

__all__ = ["compile_in_place", "compile_program", "mode", "straight_line"]
