"""SVG and HTML as text: escaped, one element a line, so that two pictures differ in the lines that differ."""

from __future__ import annotations

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: object) -> str:
    """Text for an element or a quoted attribute. What XML 1.0 cannot hold is a question mark."""
    plain = str(text)
    if plain.isalnum():
        return plain
    return "".join([_ENTITIES.get(char, char) if _is_xml(char) else "?" for char in plain])


def _is_xml(char):
    return char >= " " and not "\ud800" <= char <= "\udfff" and char not in "\x7f\ufffe\uffff"


def element(name: str, content: str | None = None, /, **attributes: object) -> str:
    """`<name a="1">content</name>`. Content is markup already; an underscore in an attribute's name is a hyphen, a last one goes."""
    words = "".join([f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value is not None])
    return f"<{name}{words}/>" if content is None else f"<{name}{words}>{content}</{name}>"


def title(text: str) -> str:
    return f"<title>{escape(text)}</title>"
