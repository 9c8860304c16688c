"""How the documentation site is built: ``sphinx-build -W docs docs/_build/html``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import convnet_features
from convnet_features.datasets import load_mnist
from convnet_features.exceptions import DatasetNotFoundError

os.environ.setdefault("MPLBACKEND", "agg")
sys.path.insert(0, str(Path(__file__).parent))  # for the extension `results`

project = "convnet_features"
author = "The convnet_features developers"
copyright = "The convnet_features developers, BSD-3-Clause"
version = release = convnet_features.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "results",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]

# What stands between single backticks is a name: a link where it is ours, code otherwise.
default_role = "py:obj"
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"
add_module_names = False
toc_object_entries_show_parents = "hide"


def not_run() -> list[str]:
    """How the names of examples begin that are shown without being run.

    Servers do not end, and two examples train for long. Another needs MNIST, where the
    tutorial makes do with what there is.
    """
    names = ["serv", "augment_and_schedule", "transfer"]
    try:
        load_mnist(dtype="uint8", download_if_missing=False)
    except DatasetNotFoundError:
        names.append("mnist_ten_epochs")
    return names


sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": rf"/(?!{'|'.join(not_run())})[^/]*\.py$",
    "ignore_pattern": r"__init__\.py|conftest\.py",
    "image_srcset": ["2x"],
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": ("_repr_html_",),
    "doc_module": ("convnet_features",),
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "reset_modules": ("matplotlib",),
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": os.environ.get("CONVNET_FEATURES_EXAMPLES") != "none",
}

html_theme = "pydata_sphinx_theme"
html_title = "convnet_features"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
# Pages without pages below them have no navigation of their own: no empty side bar for these.
WITHOUT_NAVIGATION = (
    "changelog",
    "cheat_sheet",
    "index",
    "install",
    "migration",
    "pitfalls",
    "quickstart",
    "security",
)
html_sidebars = {name: [] for name in WITHOUT_NAVIGATION}
html_theme_options = {
    "logo": {"text": "convnet_features"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def skip_foreign(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> Any:
    """Leave out what a class has from scikit-learn, which documents it itself."""
    module = getattr(member, "__module__", None) or ""
    return True if module.partition(".")[0] in ("sklearn", "lasagne", "builtins") else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_foreign)
