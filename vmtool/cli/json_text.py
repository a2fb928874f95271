"""`--json`: values to text, the same bytes for the same machine.

Addresses, entries and flags are strings in hex (a JSON number loses bits above 2**53); sizes and
counts are numbers. A list has a line for each element, so that a golden file's diff is readable.
"""

import json
from collections.abc import Iterable

HEX_FIELDS = frozenset((
    "addr", "address", "start", "end", "flags_raw", "table", "entry", "entry_addr", "root", "phys", "pgd", "start_code", "end_code",
    "start_data", "end_data", "start_brk", "brk", "start_stack", "arg_start", "arg_end", "env_start", "env_end", "mmap_base", "sp",
    "task_size", "offset", "kpageflags", "vpn", "pfn",
))


def text(value) -> str:
    """A value made of dicts, lists and scalars as JSON with a final newline."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(element)}" for element in value) + "\n]\n"
    return json.dumps(value) + "\n"


def record(item, *without: str) -> dict:
    """A record's fields by their names, nested records too, except `without`."""
    return {name: _value(name, value) for name, value in zip(item._fields, item, strict=True) if name not in without}


def records(items: Iterable, *without: str) -> str:
    """The text of a list of records."""
    return text([record(item, *without) for item in items])


def _value(name, value):
    if hasattr(value, "_fields"):
        return record(value)
    if isinstance(value, (tuple, list)):
        return [_value("", element) for element in value]
    if isinstance(value, bytes):
        return value.hex()
    if name in HEX_FIELDS and isinstance(value, int):
        return f"0x{value:x}"
    return value
