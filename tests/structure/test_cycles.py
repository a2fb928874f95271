"""No module of Python needs, at its import or later, one that needs it: each room can be read from its bottom up.

A name under TYPE_CHECKING is no need. A package's __init__ is left out: it stands for all that is in it.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = [path for path in (ROOT / "vmtool").rglob("*.py") if path.stem != "__init__"]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PATHS}


def statements(node):
    """Every import within, but those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from statements(ast.Module(child.orelse, []))
            continue
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        yield from statements(child)


def needs(tree, name):
    found = set()
    for statement in statements(tree):
        for alias in statement.names:
            module = getattr(statement, "module", None)
            found |= {f"{module}.{alias.name}", module, alias.name}
    return found.intersection(MODULES) - {name}


def cycle(graph):
    """The modules of one, in their order; none: empty."""
    done = set()

    def follow(name, way):
        if name in way:
            return way[way.index(name):]
        if name in done:
            return []
        for other in sorted(graph[name]):
            found = follow(other, [*way, name])
            if found:
                return found
        done.add(name)
        return []
    return next(filter(None, (follow(name, []) for name in sorted(graph))), [])


def test_no_modules_need_each_other():
    graph = {name: needs(ast.parse(path.read_text()), name) for name, path in MODULES.items()}
    assert sum(map(len, graph.values())) > 300  # it does see them
    assert cycle(graph) == []


def test_a_cycle_is_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    text = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from vmtool import units\nelse:\n    def f():\n        from vmtool import uapi\n"
    assert needs(ast.parse(text), "vmtool.x") == {"vmtool.uapi"}
