"""The Cython build: every `vmtool/**/*.pyx` is one extension module; the rest of the metadata is in pyproject.toml.

    python setup.py build_ext --inplace      what `make` runs: translates and compiles what changed, on all cores up to four
    VMTOOL_DEBUG=1                           bounds checks on and the C constant VMTOOL_DEBUG is 1
    VMTOOL_ANNOTATE=1                        HTML beside the C under build/: which lines touch Python

Release and debug builds keep their C and objects apart under build/, so changing over costs a copy. A `.pyx`
is translated again when it, or a `.pxd` it cimports (however indirectly), is newer than its C.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("VMTOOL_DEBUG", "0") not in ("", "0")
ANNOTATE = os.environ.get("VMTOOL_ANNOTATE", "0") not in ("", "0")
MODE = "debug" if DEBUG else "release"
MAX_JOBS = 4

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "emit_code_comments": ANNOTATE,  # a third of the C's size, and nobody reads it
}

# -g0 and no unwind tables: compile time, and size that every start-up would map. A pool's bytes are read as one struct or
# another (arena), hence -fno-strict-aliasing. Hidden: only PyInit_ is looked up by name.
CFLAGS = ["-O2", "-g0", "-pipe", "-fno-strict-aliasing", "-fvisibility=hidden", "-fno-asynchronous-unwind-tables",
          "-Wno-unused-function", "-Wno-unreachable-code", "-Wno-sign-compare"]


def extension_modules():
    """One Extension a .pyx, named by its path."""
    return [
        Extension(
            ".".join(pyx.with_suffix("").parts),
            [pyx.as_posix()],
            define_macros=[("VMTOOL_DEBUG", str(int(DEBUG)))],
            extra_compile_args=CFLAGS,
            extra_link_args=["-g0"],
        )
        for pyx in sorted(Path("vmtool").rglob("*.pyx"))
    ]


class BuildExt(build_ext):
    """build_ext that translates first, in parallel, and keeps the two builds apart."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = min(MAX_JOBS, os.cpu_count() or 1)
        self.build_temp = os.path.join(self.build_temp, MODE)
        if self.inplace:
            self.build_lib = os.path.join("build", "inplace", MODE)

    def run(self):
        from Cython.Build import cythonize  # here: neither sdist nor --help needs Cython

        done = cythonize(
            extension_modules(),
            build_dir=os.path.join("build", "cython", MODE),
            nthreads=self.parallel if self.stale_sources() > 1 else 0,
            compiler_directives=DIRECTIVES,
            annotate=ANNOTATE,
            force=True if ANNOTATE or self.force else None,
        )
        translated = {ext.name: ext.sources for ext in done}
        for ext in self.extensions:
            ext.sources = translated[ext.name]
        if self.inplace:
            self.forget_other_modules()
        super().run()

    def stale_sources(self):
        """How many .pyx look older than their C: a pool of processes is not worth starting for one."""
        c_dir = Path("build/cython", MODE)
        files = [Path(ext.sources[0]) for ext in self.extensions]
        newest_pxd = max((p.stat().st_mtime for p in Path("vmtool").rglob("*.pxd")), default=0.0)
        c_files = [(f, c_dir / f.with_suffix(".c")) for f in files]
        return sum(not c.exists() or c.stat().st_mtime < max(f.stat().st_mtime, newest_pxd) for f, c in c_files)

    def forget_other_modules(self):
        """Remove modules in the tree that the other build left, or whose .pyx is gone."""
        stamp = Path("build/inplace/mode")
        same_mode = stamp.exists() and stamp.read_text() == MODE
        wanted = {ext.name for ext in self.extensions}
        for so in Path("vmtool").rglob("*.so"):
            name = ".".join((*so.parent.parts, so.name.partition(".")[0]))
            if not same_mode or name not in wanted:
                so.unlink()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(MODE)


if __name__ == "__main__":  # the translator's worker processes import this file again
    setup(ext_modules=extension_modules(), cmdclass={"build_ext": BuildExt})
