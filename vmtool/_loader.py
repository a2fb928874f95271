"""Where the modules are that setup.py builds into one object file, `_modules`: those of mm/ and libc/, and the door, _*.pyx.

An extension module is found in a file by the name of its PyInit_ function, so one file can hold many; it saves a command the
opening and linking of some fifty, 4 ms of CPU.
"""

import sys
from _frozen_importlib_external import ExtensionFileLoader  # importlib.machinery's, which takes 1 ms to import
from _imp import extension_suffixes

ModuleSpec = type(__spec__)
WITHIN = ("vmtool.mm.", "vmtool.libc.", "vmtool._")
NOT_WITHIN = "vmtool.__"  # main__


class SharedObject:
    """Meta path finder for the modules of the one object file."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/_modules{extension_suffixes()[0]}"

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(WITHIN) or fullname.startswith(NOT_WITHIN):
            return None
        return ModuleSpec(fullname, ExtensionFileLoader(fullname, self.path), origin=self.path)


def install(directory: str) -> None:
    """Look in the object file of `directory`, the package's own."""
    sys.meta_path.insert(0, SharedObject(directory))
