"""What the robustness tests have tried: counted as they run, printed at the end."""

from __future__ import annotations

from collections import Counter

__all__ = ["add", "lines", "note"]

_counts: Counter[str] = Counter()
_notes: dict[str, str] = {}


def add(what, number=1):
    """Count `number` more of `what`."""
    _counts[what] += number


def note(what, text):
    """Remember one line of text about `what`; the last one stays."""
    _notes[what] = text


def lines():
    """One line for each thing that was counted or noted."""
    width = max(map(len, [*_counts, *_notes]), default=0)
    for what, number in sorted(_counts.items()):
        yield f"{what:<{width}}  {number:>10,}"
    for what, text in sorted(_notes.items()):
        yield f"{what:<{width}}  {text:>10}"
