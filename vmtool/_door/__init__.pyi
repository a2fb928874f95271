"""The methods of _core.Machine by subject, for type checkers and help(): a stub of one module cannot be in several files.

Machine has them itself; there are no such classes when a program runs, and nothing but _core.pyi inherits from them.
"""
