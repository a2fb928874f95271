"""The build's step between Cython and the compiler: calls between modules of one object file become calls of C."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import direct_calls  # noqa: E402

FORM = """#ifdef Py_PYTHON_H
static int __Pyx_helper(int x); /*proto*/
/* #### Code section: module_declarations ### */
static int (*__pyx_f_1b_g)(int); /*proto*/
static CYTHON_INLINE int __pyx_f_1a_small(int); /*proto*/
static int __pyx_f_1a_f(int); /*proto*/
/* #### Code section: module_code ### */
static int __pyx_f_1a_f(int __pyx_v_x) {
  return __pyx_f_1b_g(__pyx_v_x);
}
/* #### Code section: module_exttypes ### */
static int __Pyx_modinit_Function_export_code(__pyx_mstatetype *__pyx_mstate) {
  {
    exports[] = {(void (*)(void))&__pyx_f_1a_f, (void (*)(void)) NULL};
  }
  return 0;
}

static int __Pyx_modinit_Function_import_code(__pyx_mstatetype *__pyx_mstate) {
  {
    __pyx_t_1 = PyImport_ImportModule("b"); if (unlikely(!__pyx_t_1)) __PYX_ERR(0, 1, __pyx_L1_error)
    __Pyx_ImportFunction_3_3_1(__pyx_t_1, __pyx_import_name, *__pyx_import_pointer, __pyx_import_current_signature);
  }
  return 0;
}
  __pyx_mstatetype *__pyx_mstate = NULL;
  PyObject *__pyx_t_2 = NULL;
  int __pyx_t_3;
  static char __pyx_t_4[2];
  /*--- Module creation code ---*/
  /*--- Execution code ---*/

  __pyx_t_2 = __Pyx_PyDict_NewPresized(0);
  __Pyx_GOTREF(__pyx_t_2);
  PyDict_SetItem(__pyx_d, __pyx_n_u_test, __pyx_t_2);
  __Pyx_DECREF(__pyx_t_2); __pyx_t_2 = 0;

  /*--- Wrapped vars code ---*/
static int __Pyx_helper(int x) { return x; }
#endif /* Py_PYTHON_H */
"""


def files(tmp_path, **texts):
    made = {}
    for name, text in texts.items():
        made[name] = tmp_path / f"{name}.c"
        made[name].write_text(text)
    return made


TABLE = """  __pyx_t_3 = 1;
  if (unlikely((2) != (N))) {
    PyErr_Format(PyExc_ValueError, "Assignment to slice of wrong length, expected %d, got %d", (int)(2), (int)(N));
    __PYX_ERR(0, 27, __pyx_L1_error)
  }
  memcpy(&(table[0]), __pyx_t_4, sizeof(table[0]) * (2));

"""
CLASS = "  __pyx_t_2 = PyDict_New();\n"


def of(name, imports, statements=""):
    text = FORM.replace("_1a_", f"_1{name}_").replace('ImportModule("b")', f'ImportModule("{imports}")')
    return text.replace("code ---*/\n\n", f"code ---*/\n\n{statements}", 1)


def imported(path):
    """The modules that a C file imports."""
    return re.findall(r'PyImport_ImportModule\("(\w+)"\)', path.read_text())


UNUSED = """/* #### Code section: type_declarations ### */
struct __pyx_t_1a_inner {
  int x;
};
struct __pyx_t_1a_outer {
  struct __pyx_t_1a_inner in;
};
struct __pyx_t_1a_lone {
  int y;
};
/* #### Code section: utility_code_proto ### */
static CYTHON_INLINE int __pyx_f_1a_one(struct __pyx_t_1a_outer *); /*proto*/
static CYTHON_INLINE int __pyx_f_1a_two(struct __pyx_t_1a_lone *); /*proto*/
static CYTHON_INLINE int __pyx_f_1a_three(void); /*proto*/
static CYTHON_INLINE int __pyx_f_1a_one(struct __pyx_t_1a_outer *o) {
  return o->in.x + __pyx_f_1a_three();
}
static CYTHON_INLINE int __pyx_f_1a_two(struct __pyx_t_1a_lone *l) {
  return l->y;
}
static CYTHON_INLINE int __pyx_f_1a_three(void) {
  return 3;
}
int go(void) {
  return __pyx_f_1a_one(0);
}
"""


def test_what_a_file_does_not_come_by_is_left_out():
    kept = direct_calls.without_unused(UNUSED)
    for name in ("inner", "outer", "f_1a_one", "f_1a_three"):
        assert kept.count(name) == UNUSED.count(name)
    assert "lone" not in kept
    assert "two" not in kept
    used = UNUSED.replace("one(0)", "two(0)")
    kept = direct_calls.without_unused(used)
    assert ("outer" in kept, "inner" in kept, "three" in kept, "lone {" in kept) == (False, False, False, True)


def test_a_pointer_becomes_a_declaration_and_what_is_exported_is_no_longer_static(tmp_path):
    made = direct_calls.link(files(tmp_path, a=of("a", "b"), b=of("b", "c", CLASS), c=of("c", "b")), tmp_path / "made")
    text = made["a"].read_text()
    assert 'extern __attribute__((visibility("hidden"))) int __pyx_f_1b_g(int); /*proto*/' in text
    assert text.count('\n__attribute__((visibility("hidden"))) int __pyx_f_1a_f(int') == 2
    assert "static CYTHON_INLINE int __pyx_f_1a_small(int); /*proto*/" in text
    assert "ImportFunction" not in text and imported(made["a"]) == ["b"]


def test_a_module_with_nothing_to_do_is_not_imported_but_what_it_uses_is(tmp_path):
    made = direct_calls.link(files(tmp_path, a=of("a", "b"), b=of("b", "c"), c=of("c", "b", CLASS)), tmp_path / "made")
    assert imported(made["a"]) == ["c"]
    assert not imported(made["c"])


def test_one_that_fills_a_table_of_c_is_called_for_it(tmp_path):
    """Once, after what it needs itself; an import of it by name does the same."""
    made = direct_calls.link(files(tmp_path, a=of("a", "b"), b=of("b", "c", TABLE), c=of("c", "b", CLASS)), tmp_path / "made")
    assert not imported(made["a"]) and "if (__vmtool_ready_b() < 0) return NULL;" in made["a"].read_text()
    function, _, init = made["b"].read_text().partition("PyInit_b(void)")
    assert 0 < function.index("static char __pyx_t_4[2];") < function.index('PyImport_ImportModule("c")') < function.index("memcpy(")
    assert "PyObject *__pyx_t_2" not in function and "__PYX_ERR(0, 27, __pyx_L1_error)" in function
    assert "__vmtool_ready_b()" in init and "memcpy(" not in init


def test_what_has_no_object_of_python_keeps_its_code_alone(tmp_path):
    """A call of one of the helpers that Cython adds is a reason to keep all."""
    helped = of("c", "b").replace("return __pyx_f_1b_g(", "return __Pyx_helper(")
    made = direct_calls.link(files(tmp_path, a=of("a", "b"), b=of("b", "c", CLASS), c=helped), tmp_path / "made")
    bare = made["a"].read_text()
    assert "int __pyx_f_1a_f(int __pyx_v_x) {" in bare and "{ return x; }" not in bare and "modinit" not in bare
    assert imported(made["a"]) == ["b"] and bare.endswith("#endif\n") and bare.count("#ifdef") == bare.count("#endif")
    assert all("{ return x; }" in made[name].read_text() for name in "bc")


@pytest.mark.parametrize("broken", [FORM.replace("module_exttypes", "x"), FORM.replace("Function_import", "Imports"), of("c", "nowhere")])
def test_another_form_leaves_all_as_they_are(tmp_path, broken):
    given = files(tmp_path, a=of("a", "b"), b=of("b", "c"), c=broken)
    assert direct_calls.link(given, tmp_path / "made") == given


def test_what_is_older_is_not_made_again(tmp_path):
    given = files(tmp_path, a=of("a", "b"), b=of("b", "a"))
    made = direct_calls.link(given, tmp_path / "made")
    made["a"].write_text("kept")
    assert direct_calls.link(given, tmp_path / "made")["a"].read_text() == "kept"


def test_a_command_imports_a_third_of_the_kernel():
    pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
    code = "import sys, vmtool._core; print(*[name for name in sys.modules if name.startswith('vmtool.mm.')])"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert "vmtool.mm.arch" in names  # whose tables its import fills with Python's lists
    if not (ROOT / "build" / "direct").is_dir():
        pytest.skip("this Cython writes a C that scripts/direct_calls.py does not know")
    assert "vmtool.mm.mmu" not in names and "vmtool.mm.zone" not in names and len(names) < 10
