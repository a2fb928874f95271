"""The simulated kernel and processor: see README.md."""

from vmtool._loader import install

install(__name__, __path__[0])
