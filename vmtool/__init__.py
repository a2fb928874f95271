"""vmtool: Linux memory management in a file."""

__version__ = "0.1.0"
