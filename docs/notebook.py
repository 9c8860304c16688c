"""Write ``examples/tutorial.ipynb`` from ``examples/tutorial.py``: ``python docs/notebook.py``.

The notebook has no outputs: they belong to the machine that runs it. The page
of the site is made from the same script.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def tutorial_notebook() -> str:
    """The text of the notebook that the tutorial's script makes."""
    _, blocks = split_code_and_text_blocks(str(EXAMPLES / "tutorial.py"))
    settings = {**DEFAULT_GALLERY_CONF, "first_notebook_cell": None, "last_notebook_cell": None}
    notebook: dict[str, Any] = jupyter_notebook(blocks, settings, str(EXAMPLES))
    # Which Python wrote it is nobody's business, and differs from machine to machine.
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (EXAMPLES / "tutorial.ipynb").write_text(tutorial_notebook(), encoding="utf-8")
