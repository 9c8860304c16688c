"""What the processor can do, as far as choices depend on it; and how a user limits that.

Which code computes a stage is a function of the stage, the shapes, whether it
is training, and a `Machine`. The one at hand is found when oneDNN is loaded;
``CONVNET_FEATURES_ISA`` limits it, for oneDNN and for generated code at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ISA_VARIABLE", "LEVELS", "VENDORS", "Limit", "Machine", "find_machine", "find_vendor"]

#: An environment variable with the level, and perhaps the vendor, that a process is held to.
ISA_VARIABLE = "CONVNET_FEATURES_ISA"


@dataclass(frozen=True)
class Level:
    """A set of instructions.

    Attributes
    ----------
    bits : int
        oneDNN's number for it: each instruction set that it comprises is a bit.
    lanes, registers : int
        float32 numbers in a vector register, and how many of those there are.
    cpu : str
        LLVM's name for the least processor that has it; empty if no code is generated.
    """

    bits: int
    lanes: int
    registers: int
    cpu: str


#: From the least to the greatest.
LEVELS = {
    "sse41": Level(0x1, 4, 16, ""),
    "avx2": Level(0x7, 8, 16, "x86-64-v3"),
    "avx512": Level(0x27, 16, 32, "x86-64-v4"),
}
#: No limit: whatever the processor has.
NATIVE = "native"
#: What Linux calls those whose processors choices tell apart.
VENDORS = {"intel": "GenuineIntel", "amd": "AuthenticAMD"}
OTHER = "other"


def always() -> bool:
    """Code can be generated."""
    return True


def never() -> bool:
    """No code can be generated."""
    return False


@dataclass(frozen=True)
class Machine:
    """All that choices depend on, of a processor and the process that runs on it.

    Attributes
    ----------
    isa : {'sse41', 'avx2', 'avx512'}
        The greatest of the `LEVELS` that the processor has, or may use.
    vendor : {'intel', 'amd', 'other'}
    is_limited : bool
        Generated code keeps to the level, so that it is the same on all
        processors that have it; otherwise it uses whatever there is.
    can_compile : callable
        Whether machine code can be made in this process. Asked late: for the
        answer LLVM is loaded, which takes 50 ms and 70 MB.
    """

    isa: str
    vendor: str = OTHER
    is_limited: bool = False
    can_compile: Callable[[], bool] = always

    @property
    def lanes(self) -> int:
        """How many float32 numbers a vector register holds."""
        return LEVELS[self.isa].lanes

    @property
    def registers(self) -> int:
        """How many vector registers there are."""
        return LEVELS[self.isa].registers

    @property
    def cpu(self) -> str:
        """LLVM's name of the processor to generate code for; empty for the one at hand."""
        return LEVELS[self.isa].cpu if self.is_limited else ""

    @property
    def generates(self) -> bool:
        """Whether code can be generated that is worth it: no less than vectors of eight."""
        return bool(LEVELS[self.isa].cpu) and self.can_compile()


@dataclass(frozen=True)
class Limit:
    """What ``CONVNET_FEATURES_ISA`` says.

    Attributes
    ----------
    level : {'sse41', 'avx2', 'avx512', 'native'}
    vendor : {'intel', 'amd'} or None
        None for that of the processor at hand.
    """

    level: str = NATIVE
    vendor: str | None = None

    @classmethod
    def of_environment(cls) -> Limit:
        """That of this process."""
        return cls.parse(os.environ.get(ISA_VARIABLE, ""))

    @classmethod
    def parse(cls, text: str) -> Limit:
        """A level, a vendor (``vendor=amd``), or both with a comma between; empty for no limit.

        Raises
        ------
        ValueError
            `text` is something else.
        """
        if not text.strip():
            return cls()
        found: dict[str, str] = {}
        for part in text.lower().split(","):
            name, equals, value = part.strip().rpartition("=")
            name, known = (name, VENDORS) if equals else ("level", (*LEVELS, NATIVE))
            if name not in ("level", "vendor") or value not in known or name in found:
                raise ValueError(
                    f"{ISA_VARIABLE}={text!r} is not understood: it is one of the levels "
                    f"{', '.join((*LEVELS, NATIVE))}, or vendor={' or vendor='.join(VENDORS)}, "
                    f"or a level and a vendor with a comma between them, such as "
                    f"'avx2,vendor=amd'"
                )
            found[name] = value
        return cls(**found)

    @property
    def bits(self) -> int | None:
        """oneDNN's number for the level; None for no limit."""
        return None if self.level == NATIVE else LEVELS[self.level].bits


def find_machine(limit: Limit, bits: int, vendor: str, can_compile: Callable[[], bool]) -> Machine:
    """The machine that there is, within its limit.

    Parameters
    ----------
    limit : Limit
    bits : int
        The instruction sets that oneDNN uses, in its numbers.
    vendor : {'intel', 'amd', 'other'}
        The processor's; the limit may name another.
    can_compile : callable
        See `Machine`.

    Raises
    ------
    ValueError
        The processor lacks the level of the limit.
    """
    has = [name for name, level in LEVELS.items() if bits & level.bits == level.bits]
    if limit.level != NATIVE and limit.level not in has:
        raise ValueError(
            f"{ISA_VARIABLE} asks for the level {limit.level!r}, which this processor lacks; it "
            f"has {', '.join(has) or 'none of them'}: choose one of those, or {NATIVE!r}"
        )
    isa = has[-1] if has else next(iter(LEVELS))
    return Machine(isa, limit.vendor or vendor, limit.level != NATIVE, can_compile)


def find_vendor() -> str:
    """Whose processor this is, as far as Linux tells."""
    try:
        with open("/proc/cpuinfo") as info:
            text = info.read()
    except OSError:
        return OTHER
    return next((name for name, own in VENDORS.items() if own in text), OTHER)
