"""The C that Cython wrote for modules of one object file, with their calls of each other as plain calls of C.

Cython lets modules find each other's functions when they are imported, by name, as capsules with the signature's text: at every start
of a command some 150 modules, 1,500 functions. In one object file the linker does that, once. And a module that then has nothing to do
when it is imported, no table to fill, no class, no Python object in its code, need not be imported: who uses it imports what it uses.

All or none: where a file is not of the form that is known here (another Cython), every module stays as Cython wrote it, which works alike.
"""

from __future__ import annotations

import re
from pathlib import Path

HIDDEN = '__attribute__((visibility("hidden")))'
PART = r"static int __Pyx_modinit_{}_code\(__pyx_mstatetype \*__pyx_mstate\) \{{\n.*?\n\}}\n"
EXPORTS, IMPORTS = (re.compile(PART.format(name), re.DOTALL) for name in ("Function_export", "Function_import"))
POINTER = re.compile(r"static (.*?)\(\*(__pyx_f_\w+)\)(\(.*\); /\*proto\*/)$")
FUNCTION = re.compile(r"static (?:CYTHON_INLINE )?(.*?\b(__pyx_f_\w+)\(.*)$")
EXPORTED = re.compile(r"&(__pyx_f_\w+)")
MODULE = re.compile(r'PyImport_ImportModule\("([\w.]+)"\)')
OF_PYTHON = re.compile(r"__pyx_mstate|__pyx_[dm]\b")
DECLARED = "/* #### Code section: module_declarations ### */"
BODY = ("/* #### Code section: module_code ### */", "/* #### Code section: module_exttypes ### */")
AT_IMPORT = ("/*--- Execution code ---*/", "/*--- Wrapped vars code ---*/")
LINES_OF_NOTHING = 4
"""What stands between AT_IMPORT of a module without statements: an empty __test__ is put into its dictionary."""
NOTHING = """static int __Pyx_modinit_{}_code(__pyx_mstatetype *__pyx_mstate) {{
  CYTHON_UNUSED_VAR(__pyx_mstate);
  return 0;
}}
"""
IMPORT_ALL = """static int __Pyx_modinit_Function_import_code(__pyx_mstatetype *__pyx_mstate) {{
  static const char *const names[] = {{{}, NULL}};
  const char *const *name;
  CYTHON_UNUSED_VAR(__pyx_mstate);
  for (name = names; *name; name++) {{
    PyObject *module = PyImport_ImportModule(*name);
    if (unlikely(!module)) return -1;
    Py_DECREF(module);
  }}
  return 0;
}}
"""


class UnknownFormError(Exception):
    """A file of another Cython's."""


class Module:
    """What one C file says of itself."""

    def __init__(self, text: str) -> None:
        self.text = text
        found = [EXPORTS.search(text), IMPORTS.search(text)]
        if not all(found) or not all(mark in text for mark in (DECLARED, *BODY, *AT_IMPORT)):
            raise UnknownFormError
        exports, imports = (match[0] for match in found if match)
        self.exported = EXPORTED.findall(exports)
        self.imports = list(dict.fromkeys(MODULE.findall(imports)))
        is_filled = len([line for line in between(text, AT_IMPORT).splitlines() if line.strip()]) > LINES_OF_NOTHING
        has_python = OF_PYTHON.search(between(text, BODY)) is not None
        self.acts = is_filled or has_python or any(call in text for call in ("ExportVoidPtr(", "ImportVoidPtr_"))
        """Whether an import of it does anything."""


def between(text: str, marks: tuple[str, str]) -> str:
    return text.partition(marks[0])[2].partition(marks[1])[0]


def needed(modules: dict[str, Module], name: str) -> list[str]:
    """Modules that act which a module imports, itself or by way of those that do not, in their order."""
    found: dict[str, None] = {}
    seen = {name}

    def follow(at: str) -> None:
        for other in modules[at].imports:
            if other not in seen:
                seen.add(other)
                if modules[other].acts:
                    found[other] = None
                else:
                    follow(other)
    follow(name)
    return list(found)


def linked(modules: dict[str, Module], name: str) -> str:
    """A module's C with functions instead of pointers to them, visible within the object file."""
    module = modules[name]
    names = needed(modules, name)
    importing = IMPORT_ALL.format(", ".join(f'"{other}"' for other in names)) if names else NOTHING.format("Function_import")
    head, declared, rest = module.text.partition(DECLARED)
    code, end, tail = rest.partition(BODY[1])
    exported = set(module.exported)
    code = "\n".join([public(line, exported) if line.startswith("static ") and "__pyx_f_" in line else line for line in code.split("\n")])
    tail = EXPORTS.sub(lambda match: NOTHING.format("Function_export"), tail, count=1)
    tail = IMPORTS.sub(lambda match: importing, tail, count=1)
    return head + declared + code + end + tail


def public(line: str, exported: set[str]) -> str:
    """The line of a declaration or a definition: a pointer to another module's function becomes that function's declaration."""
    pointer = POINTER.match(line)
    if pointer:
        return f"extern {HIDDEN} {pointer[1]}{pointer[2]}{pointer[3]}"
    function = FUNCTION.match(line)
    return f"{HIDDEN} {function[1]}" if function and function[2] in exported else line


def link(c_files: dict[str, Path], directory: Path) -> dict[str, Path]:
    """C files by the name of their module; those to compile in their place, written below `directory` where they changed."""
    made = {name: directory / f"{name}.c" for name in c_files}
    newest = max(path.stat().st_mtime for path in (Path(__file__), *c_files.values()))
    stamp = directory / "made"
    if stamp.exists() and stamp.stat().st_mtime > newest and stamp.read_text("utf-8").split() == sorted(made):
        return made
    try:
        modules = {name: Module(path.read_text("utf-8")) for name, path in c_files.items()}
        if any(other not in modules for module in modules.values() for other in module.imports):
            raise UnknownFormError
        texts = {name: linked(modules, name) for name in modules}
    except UnknownFormError:
        return c_files
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if not made[name].exists() or made[name].read_text("utf-8") != text:
            made[name].write_text(text, "utf-8")
    stamp.write_text("\n".join(sorted(made)), "utf-8")
    return made
