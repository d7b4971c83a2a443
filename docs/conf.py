"""How Sphinx builds these pages: sphinx-build -W docs docs/_build. Nothing is fetched from the network."""

from docutils.nodes import document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import elman

project = "elman"
author = "the elman authors"
project_copyright = f"2026, {author}"
release = elman.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
extensions += ["sphinx-mathjax-offline"]  # MathJax is copied beside the pages, not loaded from elsewhere
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"elman {release}"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "code"  # so that `x` in a docstring looks like `x` on a page


def tables(_app: object, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Turn the Markdown tables of a docstring into those that autodoc understands."""
    result, inside = [], False
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        is_row = line.startswith("|")
        if is_row and not inside:
            result += [".. list-table::", "   :header-rows: 1", ""]
        if not is_row:
            result.append(line)
        elif set("".join(cells)) != {"-"}:
            result += [f"   {'*' if cell is cells[0] else ' '} - {cell}" for cell in cells]
        inside = is_row
    lines[:] = result


def unlink_type(_app: Sphinx, page: document) -> None:
    """Link no `type[...]` of a signature: Sphinx would take it for an attribute of that name."""
    for link in [*page.findall(pending_xref)]:
        if link["reftarget"] == "type":
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", unlink_type)
    app.connect("autodoc-process-docstring", tables)
