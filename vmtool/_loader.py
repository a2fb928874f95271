"""Where the modules of a package are that setup.py builds into one object file, `_modules`.

An extension module is found in a file by the name of its PyInit_ function, so one file can hold many; it saves a command the
opening and linking of some forty, 3 ms of CPU.
"""

import sys
from _frozen_importlib_external import ExtensionFileLoader  # importlib.machinery's, which takes 1 ms to import
from _imp import extension_suffixes

ModuleSpec = type(__spec__)


class SharedObject:
    """Meta path finder for the modules of one package."""

    def __init__(self, package: str, directory: str) -> None:
        self.prefix = package + "."
        self.path = f"{directory}/_modules{extension_suffixes()[0]}"

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(self.prefix):
            return None
        return ModuleSpec(fullname, ExtensionFileLoader(fullname, self.path), origin=self.path)


def install(package: str, directory: str) -> None:
    """Look for `package.NAME` in the package's object file."""
    sys.meta_path.insert(0, SharedObject(package, directory))
