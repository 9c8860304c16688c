"""Write the tables of docs/design/planning.md anew, from the planner's candidates."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from convnet_features.kernels.onednn.plan import candidates, thresholds

PAGE = Path(__file__).parent / "design" / "planning.md"
#: A comment in front of one threshold or several.
THRESHOLDS = re.compile(r"((?:^#: .*\n)+)((?:^[A-Z_]+ = [\d.].*\n)+)", re.MULTILINE)


def candidates_table() -> str:
    """The candidates of each kind of step, the best first."""
    rows = [
        "| step | candidate | why it comes before the next | what it needs |",
        "|" + " --- |" * 4,
    ]
    for step, choices in candidates.CANDIDATES.items():
        for candidate in choices:
            needs = "; ".join(map(str, candidate.requirements)) or "nothing more"
            rows.append(f"| {step} | {candidate.name} | {candidate.gain} | {needs} |")
    return "\n".join(rows)


def thresholds_table() -> str:
    """The thresholds, each with its measurement as its comment tells it."""
    rows = ["| threshold | value | what it is, and how it was found |", "|" + " --- |" * 3]
    for comment, names in THRESHOLDS.findall(inspect.getsource(thresholds)):
        text = " ".join(line.removeprefix("#:").strip() for line in comment.splitlines())
        for name in re.findall(r"^([A-Z_]+) =", names, re.MULTILINE):
            rows.append(f"| `{name}` | {getattr(thresholds, name):,} | {text} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """The page with its tables as the code has them."""
    tables = {"candidates": candidates_table(), "thresholds": thresholds_table()}
    return re.sub(
        r"(<!-- (candidates|thresholds) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
