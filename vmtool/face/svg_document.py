"""What every picture in SVG has: the file around its lines, the style sheet, the height of a row."""

from __future__ import annotations

from vmtool.face import palette
from vmtool.face.xml import element, escape

ROW = 18
LEFT = 12

STYLE = """\
svg{--bg:#fff;--ink:#1a1a1a;--faint:#6b6b6b;--line:#8a8a8a;--new:#d55e00;%s;background:var(--bg);
font:12px ui-monospace,'DejaVu Sans Mono',monospace}
@media (prefers-color-scheme:dark){svg{--bg:#16181b;--ink:#e8e8e8;--faint:#9a9a9a;--line:#777;--new:#ff9d5c;%s}}
text{fill:var(--ink);white-space:pre}
.faint,.col{fill:var(--faint)}
.col,.process{font-weight:bold}
.small{font-size:9px}
.box{stroke:var(--line);fill:none}
.absent{stroke-dasharray:2 2}
%s
.arrow{fill:none;stroke:var(--ink);stroke-width:1.2}
.swap{stroke-dasharray:3 3}
.wire,.backs{fill:none;stroke:var(--line)}
.new{stroke:var(--new);stroke-width:2.4}
text.new{stroke:none;fill:var(--new);font-weight:bold}
.gone{text-decoration:line-through;fill:var(--faint)}
marker path{stroke:var(--ink);fill:var(--ink)}
.hollow path{fill:var(--bg)}
@media print{svg{--bg:#fff;--ink:#000}}
"""
MARKERS = (
    '<marker id="rw" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
    '<path d="M0 1L10 5L0 9z"/></marker>',
    '<marker id="ro" class="hollow" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M1 1L9 5L1 9z"/></marker>',
)


def style() -> str:
    """The one style sheet of all pictures."""
    variables = [";".join([f"--{palette.CLASS_OF[letter]}:{colours[i]}" for letter, colours in palette.COLOURS.items()]) for i in (0, 1)]
    uses = "\n".join([f".{name}{{fill:var(--{name})}}" for name in palette.CLASS_OF.values()])
    return STYLE % (*variables, uses)


def document(body: list[str], width: int, height: int, label: str, description: str) -> str:
    """A whole file: the body's lines inside one `<svg>`."""
    head = element(
        "svg",
        "",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="what how",
    ).removesuffix("</svg>")
    lines = [
        head,
        f'<title id="what">{escape(label)}</title>',
        f'<desc id="how">{escape(description)}</desc>',
        f"<style>{style()}</style>",
        "<defs>",
        *MARKERS,
        "</defs>",
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def without_style(text: str) -> str:
    """A picture for a page that has the style sheet."""
    start, end = text.index("<style>"), text.index("</style>")
    return text[:start] + text[end + len("</style>\n") :]
