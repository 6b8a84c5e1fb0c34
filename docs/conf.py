"""Sphinx's settings; `make docs` builds the site.

The source folder is the repository's root, so that a relative link between pages, READMEs and
measured tables is the same on a code host and in the site.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_extensions")]

project = "rebench"
copyright = "the rebench authors"
version = release = installed_version("rebench-retrieval")

extensions = ["myst_parser", "fill"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "benchmarks/results/*.md",
    "remixer/examples/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "build", "dist", "harness", "models", "redapter", "results", "tests"]
nitpicky = True
smartquotes = False  # or `--option` in a docstring becomes –option

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a part of a report may begin below its level

html_theme = "furo"
html_title = f"rebench {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_additional_pages = {"index": "redirect.html"}
templates_path = ["_templates"]
pygments_style = "friendly"
pygments_dark_style = "github-dark"
