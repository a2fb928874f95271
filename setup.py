"""The Cython build, and the manual pages that are installed; the rest of the metadata is in pyproject.toml.

    python setup.py build_ext --inplace      what `make` runs: translates and compiles what changed, on all cores up to four
    VMTOOL_DEBUG=1                           bounds checks on and the C constant VMTOOL_DEBUG is 1
    VMTOOL_ANNOTATE=1                        HTML beside the C under build/: which lines touch Python

Every `vmtool/**/*.pyx` is one module. Those of vmtool/, its mm and libc, which only run together, share one object file, `_modules`:
opening fifty files costs a command more than 4 ms of CPU (vmtool/_loader.py finds them in it), and call each other as C functions do
(scripts/direct_calls.py). Release and debug builds keep
their C and objects apart under build/, so changing over costs a copy. A `.pyx` is translated again when it changed, or what it uses of
the `.pxd` that it cimports, however indirectly (scripts/dependencies.py).
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.dist import Distribution

install_data = Distribution().get_command_class("install_data")  # of setuptools or of its distutils, by release

DEBUG = os.environ.get("VMTOOL_DEBUG", "0") not in ("", "0")
ANNOTATE = os.environ.get("VMTOOL_ANNOTATE", "0") not in ("", "0")
MODE = "debug" if DEBUG else "release"
MAX_JOBS = 4
MAN = "share/man/man1"
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")
SHARED = (Path("vmtool"), Path("vmtool/mm"), Path("vmtool/libc"))  # whose modules go into one object file, vmtool/_modules

sys.path.insert(0, SCRIPTS)  # a build backend does not have it there

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "binding": False,  # methods as PyMethodDef: no function object, code object and names for each of them at every start
    "auto_pickle": False,  # nothing is pickled
    "emit_code_comments": ANNOTATE,  # a third of the C's size, and nobody reads it
}

# -g0 and no unwind tables: compile time, and size that every start-up would map. A pool's bytes are read as one struct or
# another (arena), hence -fno-strict-aliasing. Hidden: only PyInit_ is looked up by name.
CFLAGS = ["-O2", "-g0", "-pipe", "-fno-strict-aliasing", "-fvisibility=hidden", "-fno-asynchronous-unwind-tables",
          "-Wno-unused-function", "-Wno-unreachable-code", "-Wno-sign-compare"]


def pyx_files():
    return sorted(Path("vmtool").rglob("*.pyx"))


def module_name(pyx):
    return ".".join(pyx.with_suffix("").parts)


def extension(name, sources):
    return Extension(
        name,
        sources,
        define_macros=[("VMTOOL_DEBUG", str(int(DEBUG)))],
        extra_compile_args=CFLAGS,
        extra_link_args=["-g0"],
    )


def object_files():
    """What is linked: an Extension for each module outside SHARED, and one for all of those within."""
    shared = [str(pyx) for pyx in pyx_files() if pyx.parent in SHARED]
    alone = [extension(module_name(pyx), [str(pyx)]) for pyx in pyx_files() if pyx.parent not in SHARED]
    return [*alone, extension("vmtool._modules", shared)]


def modified(path):
    """When a file was written, in ns; 0: there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


class BuildExt(build_ext):
    """build_ext that translates and compiles in parallel, only what changed, and keeps the two builds apart."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = min(MAX_JOBS, os.cpu_count() or 1)
        self.build_temp = os.path.join(self.build_temp, MODE)
        if self.inplace:
            self.build_lib = os.path.join("build", "inplace", MODE)

    def run(self):
        self.translate()
        if self.inplace:
            self.forget_other_modules()
        super().run()

    def translate(self):
        """From .pyx to .c, as the extensions' new sources."""
        from Cython import __version__  # here: neither sdist nor --help needs Cython
        from Cython.Build import cythonize
        from dependencies import Kept, Sources

        c_dir = Path("build", "cython", MODE)
        kept = Kept(c_dir, Sources(pyx_files()), __version__)
        self.forget_old_files(c_dir)
        stale = kept.sources.modules if ANNOTATE or self.force else kept.stale()
        before = {pyx: modified(kept.c_file(pyx)) for pyx in stale}
        try:
            cythonize(
                [extension(module_name(pyx), [str(pyx)]) for pyx in stale],
                build_dir=str(c_dir),
                nthreads=self.parallel if len(stale) > 1 else 0,  # a pool of processes is not worth starting for one
                compiler_directives=DIRECTIVES,
                annotate=ANNOTATE,
                force=True,
                quiet=self.verbose < 1,
            )
        finally:
            kept.translated([pyx for pyx in stale if modified(kept.c_file(pyx)) > before[pyx]])
        c_file = {str(pyx): str(kept.c_file(pyx)) for pyx in pyx_files()}
        c_file |= self.link_directly({pyx: c for pyx, c in c_file.items() if Path(pyx).parent in SHARED})
        for ext in self.extensions:
            ext.sources = [c_file[source] for source in ext.sources]

    def link_directly(self, c_file):
        """The C of the modules of one object file, with plain calls between them."""
        from direct_calls import link

        made = link({module_name(Path(pyx)): Path(c) for pyx, c in c_file.items()}, Path("build", "direct", MODE))
        return {pyx: str(made[module_name(Path(pyx))]) for pyx in c_file}

    def forget_old_files(self, c_dir):
        """C that is older than the rules by which it is made goes."""
        rules = max(modified(Path(path)) for path in (__file__, f"{SCRIPTS}/dependencies.py"))
        for c_file in c_dir.rglob("*.c"):
            if modified(c_file) < rules:
                c_file.unlink()

    def build_extensions(self):
        """Compile all sources in one pool of threads, then let setuptools link."""
        with ThreadPoolExecutor(self.parallel) as pool:
            for ext in self.extensions:
                ext.extra_objects = [pool.submit(self.compile_one, ext, source) for source in ext.sources]
            for ext in self.extensions:
                ext.extra_objects = [compiling.result() for compiling in ext.extra_objects]
                ext.depends = ext.extra_objects
                ext.sources = []
        super().build_extensions()

    def compile_one(self, ext, source):
        """The object file of one C file, made when it is older."""
        (compiled,) = self.compiler.object_filenames([source], output_dir=self.build_temp)
        if self.force or not os.path.exists(compiled) or os.stat(compiled).st_mtime <= os.stat(source).st_mtime:
            self.compiler.compile([source], output_dir=self.build_temp, macros=ext.define_macros, extra_postargs=ext.extra_compile_args)
        return compiled

    def forget_other_modules(self):
        """Remove object files in the tree that the other build left, or whose .pyx is gone."""
        stamp = Path("build/inplace/mode")
        same_mode = stamp.exists() and stamp.read_text() == MODE
        wanted = {ext.name for ext in self.extensions}
        for so in Path("vmtool").rglob("*.so"):
            name = ".".join((*so.parent.parts, so.name.partition(".")[0]))
            if not same_mode or name not in wanted:
                so.unlink()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(MODE)


class InstallData(install_data):
    """install_data of the manual pages, which are made from the commands' declarations just before."""

    def run(self):
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # a build backend does not have it there
        from vmtool.cli import manual

        self.data_files = [(MAN, manual.write(os.path.join("build", "man")))]
        super().run()


if __name__ == "__main__":  # the translator's worker processes import this file again
    setup(ext_modules=object_files(), data_files=[(MAN, [])], cmdclass={"build_ext": BuildExt, "install_data": InstallData})
