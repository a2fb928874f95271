"""The C that Cython wrote for modules of one object file, with their calls of each other as plain calls of C.

Cython lets modules find each other's functions when they are imported, by name, as capsules with the signature's text: at every start
of a command some 150 modules, 1,500 functions. In one object file the linker does that, once. And an import costs 200,000 instructions
whatever the module does then. So

    a module that has nothing to do when it is imported (no table, no class, no Python object in its code) is not imported;
    one that fills tables of C alone fills them when a function of C is called, which who uses it does (`ready`);
    the others are imported, by who uses them, itself or by way of such modules.

Of the first two kinds, nine tenths of all, only the code is kept, with an import of one line: what Cython adds for a module that has
objects of Python is most of what there is to compile. And of the headers' records and inline functions, all of which Cython writes into
every file, a file keeps those that its code comes by: when one of the others changes, it need not be compiled again.

All or none: where a file is not of the form that is known here (another Cython), every module stays as Cython wrote it, which works alike.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

HIDDEN = '__attribute__((visibility("hidden")))'
PART = r"static int __Pyx_modinit_{}_code\(__pyx_mstatetype \*__pyx_mstate\) \{{\n.*?\n\}}\n"
EXPORTS, IMPORTS = (re.compile(PART.format(name), re.DOTALL) for name in ("Function_export", "Function_import"))
POINTER = re.compile(r"static (.*?)\(\*(__pyx_f_\w+)\)(\(.*\); /\*proto\*/)$")
FUNCTION = re.compile(r"static (?:CYTHON_INLINE )?(.*?\b(__pyx_f_\w+)\(.*)$")
EXPORTED = re.compile(r"&(__pyx_f_\w+)")
MODULE = re.compile(r'PyImport_ImportModule\("([\w.]+)"\)')
VARIABLES = ("ExportVoidPtr(", "ImportVoidPtr_")
OF_PYTHON = re.compile(r"__pyx_mstate|__pyx_[dm]\b")
RECORDS = ("/* #### Code section: type_declarations ### */", "/* #### Code section: utility_code_proto ### */")
RECORD = re.compile(r"^(?:struct|union) (__pyx_t_\w+) \{$", re.MULTILINE)
INLINE = re.compile(r"^static CYTHON_INLINE [^\n;]*?\b(__pyx_f_\w+)\([^\n]*\) \{$", re.MULTILINE)
PROTOTYPE = re.compile(r"^static CYTHON_INLINE [^\n]*?\b(__pyx_f_\w+)\([^\n]*\); /\*proto\*/\n", re.MULTILINE)
NAME = re.compile(r"\b__pyx_[tf]_\w+")
DECLARED = "/* #### Code section: module_declarations ### */"
BODY = ("/* #### Code section: module_code ### */", "/* #### Code section: module_exttypes ### */")
AT_IMPORT = ("/*--- Execution code ---*/", "/*--- Wrapped vars code ---*/")
LINES_OF_NOTHING = 4
"""What stands last between AT_IMPORT, and alone in a module without statements: an empty __test__ is put into its dictionary."""
LOCALS = ("__pyx_mstatetype *__pyx_mstate = NULL;", "/*--- Module creation code ---*/")
TEMPORARY = re.compile(r"  (?!PyObject )[^()]*\b__pyx_t_\d+(?:\[\d+\])*;")
SIZE_CHECK = re.compile(r"  if \(unlikely\(.*\)\) \{\n    PyErr_Format\(PyExc_ValueError, .*\);\n    __PYX_ERR\(.*\)\n  \}\n")
NOT_OF_C = re.compile(r"\bPy|__Pyx|__PYX|__pyx_mstate|__pyx_[dmL]")
HELPER = re.compile(r"\b__Pyx_\w+")
ADDED = r"^static .*\b{}\(.*/\*proto\*/"
TYPES = "__Pyx_modinit_Type_init_code("
NOTHING = """static int __Pyx_modinit_{}_code(__pyx_mstatetype *__pyx_mstate) {{
  CYTHON_UNUSED_VAR(__pyx_mstate);
  return 0;
}}
"""
IMPORT_ALL = """static int __Pyx_modinit_Function_import_code(__pyx_mstatetype *__pyx_mstate) {{
  PyObject *module;
  CYTHON_UNUSED_VAR(module);
  CYTHON_UNUSED_VAR(__pyx_mstate);
{steps}  return 0;
}}
"""
READY = """int {name}(void) {{
  static int is_done = 0;
{variables}
  PyObject *module;
  int __pyx_lineno = 0, __pyx_clineno = 0;
  const char *__pyx_filename = NULL;
  if (is_done) return 0;
  is_done = 1;
  CYTHON_UNUSED_VAR(module);
{steps}{statements}

  CYTHON_UNUSED_VAR(__pyx_lineno + __pyx_clineno);
  CYTHON_UNUSED_VAR(__pyx_filename);
  return 0;
  goto __pyx_L1_error;
  __pyx_L1_error:;
  is_done = 0;
  return -1;
}}
"""
DECLARE_MODULE = "  PyObject *module;\n  CYTHON_UNUSED_VAR(module);\n"
END = "#endif /* Py_PYTHON_H */"
QUIET = """#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
"""
BARE_INIT = """PyMODINIT_FUNC PyInit_{name}(void) {{
  static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, NULL, NULL, NULL, NULL, NULL}};
{steps}  return PyModule_Create(&definition);
}}
#endif
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
        filling = [line for line in between(text, AT_IMPORT).split("\n") if line.strip()]
        self.statements = "\n".join(filling[:-LINES_OF_NOTHING])
        is_of_python = any(name in text for name in VARIABLES) or OF_PYTHON.search(between(text, BODY)) is not None
        self.acts = is_of_python or bool(self.statements)
        """Whether an import of it does anything."""
        self.is_bare = not is_of_python and self.is_of_c()
        """Whether an import of it does nothing, or fills tables of C alone."""
        self.fills = self.acts and self.is_bare

    def is_of_c(self) -> bool:
        """Whether the code uses no function that Cython adds at its end, and the statements are C that runs anywhere: a check of a table's
        size is the one thing of Python in them."""
        if TYPES in self.text or LOCALS[1] not in self.text or not self.text.rstrip().endswith(END):
            return False
        if NOT_OF_C.search(SIZE_CHECK.sub("", self.statements)):
            return False
        head, _, code = self.text.partition(BODY[0])
        helpers = set(HELPER.findall(code.partition(BODY[1])[0]))
        return not any(re.search(ADDED.format(helper), head, re.MULTILINE) for helper in helpers)

    def temporaries(self) -> list[str]:
        """The declarations of the variables of `statements`."""
        return [line for line in between(self.text, LOCALS).split("\n") if TEMPORARY.fullmatch(line)]


def between(text: str, marks: tuple[str, str]) -> str:
    return text.partition(marks[0])[2].partition(marks[1])[0]


def pieces(text: str, start: re.Pattern[str], end: str) -> tuple[str, list[tuple[str, str]]]:
    """A text without certain definitions, and these by name. In their places stand NUL."""
    rest, found, at = [], [], 0
    for match in start.finditer(text):
        behind = text.index(end, match.end()) + len(end)
        rest.append(text[at : match.start()])
        found.append((match[1], text[match.start() : behind]))
        at = behind
    return "\0".join([*rest, text[at:]]), found


def without_unused(text: str) -> str:
    """A file's C without the inline functions of headers, and the definitions of records, that nothing in it comes by."""
    head, mark, rest = text.partition(RECORDS[0])
    declared, end, tail = rest.partition(RECORDS[1])
    declared, records = pieces(declared, RECORD, "\n};\n")
    tail, functions = pieces(tail, INLINE, "\n}\n")
    parts = {name: set(NAME.findall(text)) for name, text in (*records, *functions)}
    used: set[str] = set()
    ahead = set(NAME.findall(head)) | set(NAME.findall(PROTOTYPE.sub("", tail)))
    while ahead:
        name = ahead.pop()
        if name not in used:
            used.add(name)
            ahead |= parts.get(name, set())
    tail = PROTOTYPE.sub(lambda match: match[0] if match[1] in used else "", tail)
    return head + mark + together(declared, records, used) + end + together(tail, functions, used)


def together(text: str, found: list[tuple[str, str]], used: set[str]) -> str:
    """What pieces() took apart, without what is not used."""
    first, *rest = text.split("\0")
    return "".join([first, *[(definition if name in used else "") + part for (name, definition), part in zip(found, rest, strict=True)]])


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


def ready(name: str) -> str:
    """The function that fills a module's tables."""
    return "__vmtool_ready_" + name.replace(".", "__")


def linked(modules: dict[str, Module], name: str) -> str:
    """A module's C with functions instead of pointers to them, visible within the object file."""
    module = modules[name]
    head, mark, rest = module.text.partition(DECLARED)
    code, end, tail = rest.partition(BODY[1])
    exported = set(module.exported)
    code = "\n".join([public(line, exported) if line.startswith("static ") and "__pyx_f_" in line else line for line in code.split("\n")])
    others = needed(modules, name)
    declared = "".join([f"{HIDDEN} int {ready(other)}(void);\n" for other in (*others, name) if modules[other].fills])
    if module.is_bare:
        return QUIET + head + mark + code + declared + bare_end(modules, name, others)
    at_import = IMPORT_ALL.format(steps=steps(modules, others, "return -1;")) if others else NOTHING.format("Function_import")
    tail = EXPORTS.sub(lambda match: NOTHING.format("Function_export"), tail, count=1)
    tail = IMPORTS.sub(lambda match: declared + at_import, tail, count=1)
    return head + mark + code + end + tail


def steps(modules: dict[str, Module], others: list[str], failed: str) -> str:
    """Statements that import what a module needs, or make it ready, in its order."""
    return "".join([
        f"  if ({ready(other)}() < 0) {failed}\n" if modules[other].fills else
        f'  module = PyImport_ImportModule("{other}"); if (unlikely(!module)) {failed}\n  Py_DECREF(module);\n' for other in others])


def bare_end(modules: dict[str, Module], name: str, others: list[str]) -> str:
    """What follows a module's functions: the one that fills its tables, and an import that has it do so."""
    module = modules[name]
    last = name.rpartition(".")[2]
    if not module.fills:
        return BARE_INIT.format(name=last, steps=DECLARE_MODULE + steps(modules, others, "return NULL;"))
    filling = READY.format(name=ready(name), steps=steps(modules, others, "goto __pyx_L1_error;"),
                           variables="\n".join(module.temporaries()), statements=module.statements)
    return filling + BARE_INIT.format(name=last, steps=f"  if ({ready(name)}() < 0) return NULL;\n")


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
    stamp = directory / "made"
    stamped = stamp.stat().st_mtime if stamp.exists() else 0.0
    digests = {}
    if stamped > Path(__file__).stat().st_mtime:
        digests = dict(line.partition(" ")[::2] for line in stamp.read_text("utf-8").splitlines())
    if digests.keys() == made.keys() and stamped > max(path.stat().st_mtime for path in c_files.values()):
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
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digests.get(name) != digest or not made[name].exists():
            text = without_unused(text)
            if not made[name].exists() or made[name].read_text("utf-8") != text:
                made[name].write_text(text, "utf-8")
        digests[name] = digest
    stamp.write_text("".join([f"{name} {digests[name]}\n" for name in sorted(made)]), "utf-8")
    return made
