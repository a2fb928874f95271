"""How vmtool's own modules are found when a command starts: without a look into directories, and few system calls each.

The modules that setup.py builds into one object file, `_modules` (those of mm/ and libc/, and the door, _*.pyx): an extension module
is found in a file by the name of its PyInit_ function, so one file can hold many; it saves a command the opening and linking of some fifty.

A module of Python: where its byte code is newer than its text, by the rules of Python itself, that is read and run; 200,000 instructions
fewer than by the standard finder and loader, which do all the rest. A command imports 30 of them.

What a command needs of the standard library beside frozen and built-in modules, three files, is looked for where it is: the standard
finders list its directories for it.

And where the packages are that pip brought, for a command that was started without `site` and turns out to need one (scripts/venv.sh).
"""

import sys
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader, PathFinder, SourceFileLoader  # importlib takes 1 ms to import
from _imp import extension_suffixes
from marshal import loads
from posix import O_CLOEXEC, O_RDONLY, close, open, read, stat

ModuleSpec = type(__spec__)
WITHIN = ("vmtool.mm.", "vmtool.libc.", "vmtool._")
NOT_WITHIN = "vmtool.__"  # main__
PREFIX = "vmtool."
OF_LIBRARY = ("__future__", "_sqlite3", "zlib")
MOST_BYTES = 1 << 16  # of byte code that is read at once


class Compiled(SourceFileLoader):
    """Of a module whose byte code has been read."""

    def __init__(self, fullname, path, code):
        super().__init__(fullname, path)
        self.code = code

    def get_code(self, fullname):
        code, self.code = self.code, None  # once: who asks again wants the file's
        return super().get_code(fullname) if code is None else code


class Finder:
    """Meta path finder of the package's modules."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.library = getattr(sys, "_stdlib_dir", None)  # since Python 3.11
        self.shared_object = f"{directory}/_modules{extension_suffixes()[0]}"
        self.suffix = f".{sys.implementation.cache_tag}.pyc"
        self.reads_code = not sys.flags.optimize and sys.pycache_prefix is None

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(PREFIX):
            return self.of_library(fullname) if fullname in OF_LIBRARY else None
        if fullname.startswith(WITHIN) and not fullname.startswith(NOT_WITHIN):
            return ModuleSpec(fullname, ExtensionFileLoader(fullname, self.shared_object), origin=self.shared_object)
        if not self.reads_code:
            return None
        place = f"{self.directory}/{fullname[len(PREFIX):].replace('.', '/')}"
        parent, _, name = place.rpartition("/")
        try:
            return self.compiled(fullname, parent, name)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, EOFError, TypeError):
            return None
        try:
            spec = self.compiled(fullname, place, "__init__")
        except (OSError, ValueError, EOFError, TypeError):
            return None
        if spec is not None:
            spec.submodule_search_locations = [place]
        return spec

    def of_library(self, fullname):
        """None where it is not as in most Pythons: the standard finders come next."""
        path = f"{self.library}/lib-dynload/{fullname}{extension_suffixes()[0]}"
        try:
            if fullname == "__future__":
                return self.compiled(fullname, self.library, fullname) if self.reads_code else None
            stat(path)
        except (OSError, ValueError, EOFError, TypeError):
            return None
        spec = ModuleSpec(fullname, ExtensionFileLoader(fullname, path), origin=path)
        spec.has_location = True
        return spec

    def compiled(self, fullname, directory, name):
        """The spec of a module of Python whose byte code is current; None when it is not."""
        source = f"{directory}/{name}.py"
        cached = f"{directory}/__pycache__/{name}{self.suffix}"
        of_source = stat(source)
        descriptor = open(cached, O_RDONLY | O_CLOEXEC)
        try:
            data = read(descriptor, MOST_BYTES)
        finally:
            close(descriptor)
        if data[:16] != header_of(of_source) or len(data) == MOST_BYTES:
            return None
        spec = ModuleSpec(fullname, Compiled(fullname, source, loads(memoryview(data)[16:])), origin=source)
        spec.has_location = True
        spec.cached = cached
        return spec


def header_of(of_source):
    """What byte code begins with that was made of a text with this status (PEP 552, by time and size)."""
    when, size = int(of_source.st_mtime) & 0xFFFFFFFF, of_source.st_size & 0xFFFFFFFF
    return MAGIC_NUMBER + bytes(4) + when.to_bytes(4, "little") + size.to_bytes(4, "little")


class Site:
    """Last meta path finder of a Python that was started with -S: what no other finds is looked for with `site`."""

    def find_spec(self, fullname, path=None, target=None):
        if path is not None:
            return None
        sys.meta_path.remove(self)
        import site
        site.main()
        return PathFinder.find_spec(fullname)


def install(directory: str) -> None:
    """Look for the package's modules in `directory`, its own."""
    sys.meta_path.insert(0, Finder(directory))
    if sys.flags.no_site and "site" not in sys.modules:
        sys.meta_path.append(Site())
