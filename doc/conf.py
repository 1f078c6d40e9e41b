"""Sphinx configuration. `make doc` builds with warnings as errors."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Examples run in this process: without a display, and with the warnings a reader would see.
os.environ["MPLBACKEND"] = "Agg"
warnings.filterwarnings("error", category=DeprecationWarning, module="sklearn_extra_ml")

import sklearn_extra_ml  # noqa: E402 (after the path and the warning filters)

project = "sklearn-extra-ml"
author = "the sklearn-extra-ml developers"
copyright = f"2026, {author}"
version = release = sklearn_extra_ml.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "benchmark_tables",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "py:obj"
nitpicky = False
# Methods inherited from scikit-learn refer to labels and terms of its own manual; the changelog is
# included from its second heading on.
suppress_warnings = ["ref.term", "ref.ref", "myst.header"]

autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": True}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"main_job\.py|__init__\.py",
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("sklearn_extra_ml",),
    "reference_url": {"sklearn_extra_ml": None},
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
    "min_reported_time": 0,
}
