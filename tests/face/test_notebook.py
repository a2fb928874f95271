"""The notebook of the stories runs, cell by cell, and what its cells end with is drawn."""

import ast
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vmtool import notebook as nb
from vmtool.errors import KernelError

from .conftest import story

NOTEBOOK = Path(__file__).parents[2] / "fixtures" / "notebooks" / "stories.ipynb"


def last_value(source, names):
    """Runs a cell as a notebook does; the value of its last line, None when that is no expression."""
    body = ast.parse(source).body
    shown = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(shown.value), "cell", "eval"), names) if shown is not None else None


def test_the_notebook_of_the_stories():
    cells = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    names, shown = {}, []
    for cell in cells:
        value = last_value(cell, names)
        if value is not None:
            shown.append(value)
            ET.fromstring(value._repr_html_())
            if hasattr(value, "_repr_svg_"):
                assert ET.fromstring(value._repr_svg_()).get("role") == "img"
    texts = [repr(value) for value in shown]
    assert len(shown) == len(cells) - 1
    assert "00405000-00409000 rw-p [heap]  □ ×4" in texts[0]
    assert [line for line in texts[1].splitlines() if line.startswith("+   405 ■")]
    assert "page fault" in texts[2] and "P RW US A D NX" in texts[3]
    assert texts[6].count("F") and 'class="row changed"' in shown[5]._repr_svg_()


def test_it_runs_in_jupyter(tmp_path):
    """The same by a real kernel: each picture arrives as SVG and HTML, and no cell fails or warns."""
    client = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install vmtool[notebook]")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install vmtool[notebook]")
    import nbformat

    book = nbformat.read(NOTEBOOK, 4)
    client.NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"execute_result"}
    pictures = [output.data["image/svg+xml"] for output in outputs if "image/svg+xml" in output.data]
    assert len(pictures) > 3 and all(ET.fromstring(picture).get("role") == "img" for picture in pictures)
    assert all("text/html" in output.data for output in outputs)


def test_the_notebook_is_kept_without_outputs():
    assert all(not cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"])


def test_a_machine_is_its_picture():
    m = story()
    assert m._repr_svg_() == nb.draw(m)._repr_svg_()
    assert m._repr_svg_() in m._repr_html_()


def test_lines_that_fail():
    m = nb.machine("256M")
    assert (
        str(nb.run(m, "spawn x\n-munmap 1 123 4K\nbrk 1 --by 4K")) == "1\nscript:2: vmtool: munmap: EINVAL (Invalid argument)\n0x406000\n"
    )
    with pytest.raises(KernelError):
        nb.run(m, "munmap 1 123 4K")
