"""The simulated kernel. Its modules are built into one object file, `_modules`, where the finder below looks for them.

An extension module is found in a file by the name of its PyInit_ function; one file for all saves a command the
opening and linking of some forty. Without that file the modules are looked for one by one, as everywhere.
"""

import sys
from _frozen_importlib_external import ExtensionFileLoader  # importlib.machinery's, which takes 1 ms to import
from _imp import extension_suffixes
from os import path as _path

ModuleSpec = type(__spec__)


class SharedObject:
    """Meta path finder for `vmtool.mm.NAME`, NAME being a module inside the shared object file."""

    prefix = __name__ + "."
    path = f"{__path__[0]}/_modules{extension_suffixes()[0]}"

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if not fullname.startswith(cls.prefix):
            return None
        return ModuleSpec(fullname, ExtensionFileLoader(fullname, cls.path), origin=cls.path)


if _path.exists(SharedObject.path):
    sys.meta_path.insert(0, SharedObject)
