"""vmtool: Linux memory management in a file."""

from vmtool._loader import install

__version__ = "0.1.0"

install(__path__[0])
