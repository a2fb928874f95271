"""A page to step through: one HTML file that needs nothing from outside and may load nothing.

Steps are kept as differences. Every line of every panel stands once in a table of strings; a panel is a list of their numbers, of which
only what lies between the common beginning and the common end with the step before is written down. The page's own script puts the lines
together again and marks those that were not there before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pkgutil

from vmtool.face import svg_document
from vmtool.face.xml import escape
from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = "← → or k j: step · Home End · / find · d compare with the step before · ? help"


class Step(NamedTuple):
    """A line of a script and what came of it. `panels` has `picture` and `explanation` beside those of `panels.NAMES`."""

    prose: str
    line: str
    status: int
    out: str
    panels: dict[str, str]


def render(title: str, steps: Sequence[Step], names: Sequence[str]) -> str:
    """The whole file."""
    script, sheet = _own("page.js"), svg_document.style() + _own("page.css")
    policy = f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(sheet)}; base-uri 'none'; form-action 'none'"
    data = json.dumps(_data(steps), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\!--")
    data = data.encode("utf-8", "replace").decode("utf-8")
    tabs = "".join(
        [
            f'<button role="tab" id="tab{i}" aria-controls="panel" aria-selected="{"false" if i else "true"}" tabindex="{-1 if i else 0}" '
            f'data-panel="{escape(name)}">{escape(name)}</button>'
            for i, name in enumerate(names)
        ]
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{sheet}</style>
</head>
<body>
<a class="skip" href="#picture">Skip to the picture</a>
<header><h1>{escape(title)}</h1>
<nav aria-label="Steps"><button id="first" aria-label="First step">«</button><button id="back" aria-label="Step back">←</button>
<output id="where"></output><button id="forth" aria-label="Step forward">→</button><button id="last" aria-label="Last step">»</button>
<button id="compare" aria-pressed="false">compare</button><button id="help" aria-expanded="false" aria-controls="keys">?</button>
<label>find <input id="find" type="search" autocomplete="off" spellcheck="false"></label></nav>
<p id="keys" hidden>{escape(KEYS)}. Swipe on a phone.</p></header>
<noscript><p>This page needs its own script, and nothing else.</p></noscript>
<p id="said" class="hear" role="status" aria-live="polite"></p>
<main>
<section id="lines" aria-label="The script"><ol></ol></section>
<section id="picture" aria-label="The machine" tabindex="0"><div id="was" hidden></div><div id="is"></div></section>
<section id="explanation" aria-label="What the kernel did"><h2>What the kernel did</h2><pre tabindex="0"></pre></section>
<section id="more" aria-label="Details"><div role="tablist" aria-label="Details">{tabs}</div>
<div id="panel" role="tabpanel" aria-labelledby="tab0" tabindex="0"></div></section>
</main>
<div id="sheets" aria-hidden="true"></div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def _own(name):
    data = pkgutil.get_data("vmtool.face", name)
    assert data is not None, name
    return data.decode()


def _hash(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(steps):
    strings: dict[str, int] = {}
    before: dict[str, list[int]] = {}
    told = []
    for step in steps:
        changed = {}
        for name, text in step.panels.items():
            lines = [strings.setdefault(line, len(strings)) for line in text.splitlines()]
            old = before.get(name, [])
            if lines != old:
                changed[name] = difference(old, lines)
            before[name] = lines
        told.append([step.prose, step.line, step.status, step.out, changed])
    return {"strings": list(strings), "steps": told}


def difference(old: Sequence[int], new: Sequence[int]) -> list:
    """[lines in common at the beginning, lines in common at the end, those between]."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    return [head, tail, *new[head : len(new) - tail]]
