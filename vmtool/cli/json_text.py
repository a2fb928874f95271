"""`--json`: values to text, the same bytes for the same machine.

What a value holds is decided in `objects`, `objects_proc`, `objects_pmap` and beside the views that draw the same facts. A list has a line
for each element, so that a golden file's diff is readable. The library is imported when it is asked: few commands want it.
"""


def text(value) -> str:
    """A value made of dicts, lists and scalars as JSON with a final newline."""
    import json
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(element)}" for element in value) + "\n]\n"
    return json.dumps(value) + "\n"
