"""A Sphinx extension that runs the pages' ``python`` blocks and puts their results behind them.

The pages stay ordinary Markdown, and `tests/test_docs.py` runs the same blocks. A result is what
a block prints, the value of its last line, and the figures that it draws. The blocks of a page run
one after the other, as one script. A block that raises ends the build, unless a data set is
missing. ``CONVNET_FEATURES_EXAMPLES=none`` runs nothing.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pprint import pformat
from types import ModuleType
from typing import Any

from convnet_features.exceptions import DatasetNotFoundError

#: A block that runs: its fence, and its code.
BLOCK = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
#: Where figures are written, below the folder of the pages.
FIGURES = "generated/results"
#: Pixels of a figure's width on the page, for each of its inches.
PIXELS_PER_INCH = 72


def with_results(text: str, name: str, folder: Path) -> str:
    """The page's text, with the result of each block behind the block."""
    run = Script(name)
    close_figures()  # those that others left open are not this page's
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        pictures = (folder / f"{name.replace('/', '-')}-{number}.png" for number in range(1, 1000))
        return BLOCK.sub(lambda block: block[0] + shown(run(block[1]), pictures), text)


def close_figures() -> None:
    """Close what was drawn, here or before."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


class Script:
    """Runs pieces of code one after the other, in one module."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Classes of a page are found by name, as those of a script are.
        self.module = sys.modules["page"] = ModuleType("page")
        self.pieces = 0

    def __call__(self, code: str) -> str:
        """What the code prints, and the value of its last line."""
        self.pieces += 1
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                value = self.value_of(code)
        except DatasetNotFoundError:
            return ""
        except Exception as error:
            raise RuntimeError(f"{self.name}, block {self.pieces}: {error!r}") from error
        return printed.getvalue() + (
            "" if is_silent(value) else f"{pformat(value, width=96, sort_dicts=False)}\n"
        )

    def value_of(self, code: str) -> Any:
        """Run the code; the value of its last line, if it has one."""
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, self.name, "exec"), vars(self.module))
        if isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), self.name, "eval"), vars(self.module))
        return None


def is_silent(value: Any) -> bool:
    """Whether a value says nothing to readers: none, or a display, whose figure is shown."""
    return value is None or hasattr(value, "figure_")


def shown(printed: str, pictures: Iterator[Path]) -> str:
    """What was printed and drawn, in Markdown."""
    fenced = f"```{{code-block}} text\n:class: result\n\n{printed.rstrip()}\n```\n"
    return (fenced if printed.strip() else "") + "".join(figures(pictures))


def figures(pictures: Iterator[Path]) -> list[str]:
    """Write the figures that are open, and close them; an image directive for each."""
    if "matplotlib.pyplot" not in sys.modules:
        return []
    from matplotlib import pyplot

    directives = []
    for number in pyplot.get_fignums():
        figure, path = pyplot.figure(number), next(pictures)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=2 * PIXELS_PER_INCH, bbox_inches="tight")
        width = round(figure.get_figwidth() * PIXELS_PER_INCH)
        directives.append(
            f"```{{image}} /{FIGURES}/{path.name}\n:class: result\n:width: {width}px\n"
            ":alt: The figure that the code above draws\n```\n"
        )
    close_figures()
    return directives


def read(app: Any, name: str, source: list[str]) -> None:
    """Sphinx has read a page."""
    if Path(app.env.doc2path(name)).suffix == ".md" and BLOCK.search(source[0]):
        source[0] = with_results(source[0], name, Path(app.srcdir, FIGURES))


def setup(app: Any) -> dict[str, bool]:
    if os.environ.get("CONVNET_FEATURES_EXAMPLES") != "none":
        app.connect("source-read", read)
    return {"parallel_read_safe": False}  # standard output is one
