"""The site's pages that are made, as hooks of MkDocs (mkdocs.yml): what exists elsewhere in the tree has no second copy in docs/.

Made: the tutorial, the stories and the commands at work from fixtures/transcripts; the stories to step through from fixtures/stories; a
page for each command from its declaration; what the rooms' READMEs say. In the pages of docs/ a line `<!-- include FILE [HEADING] -->`
stands for a Markdown file or a section of it, `<!-- checks -->` for what the tests say of themselves, and a block fenced as ```session for
commands, which run when the site is built, one shell a page: their outputs are put beneath them, and the pictures they write beside the
page. A command's status, when it is not 0, stands below it as in the transcripts: `[139]`.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import secrets
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vmtool.cli import manual, table  # noqa: E402

TRANSCRIPTS = {"tutorial": "tutorial", "stories": "stories", "commands": "examples"}  # folders of fixtures/transcripts: folders of the site
TIMEOUT_SECONDS = 120
FENCE = "```"
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


class Broken(Exception):
    """A page cannot be made. MkDocs prints it and ends."""


# Transcripts.

def transcript_page(text: str, path: str) -> str:
    """A transcript as Markdown: its first line is the title, what is indented becomes blocks."""
    lines = text.rstrip("\n").split("\n")
    title, _, rest = lines[0].rstrip(".").partition(". ") if not lines[0].startswith("  ") else (Path(path).stem, "", lines[0])
    lines = [*([rest] if rest else []), *[line for line in lines[1:] if not re.fullmatch(r"=+", line) and not line.startswith("#require ")]]
    out = [f"# {title}", ""]
    inside = False
    for line in lines:
        if line.startswith("  ") != inside:
            out += [FENCE, ""] if inside else [*([""] if out[-1] else []), f"{FENCE}console"]
            inside = not inside
        out.append(line[2:] if inside else _plain(line))
    return "\n".join([*out, *([FENCE] if inside else [])]) + "\n"


def _plain(prose: str) -> str:
    """Prose that is read as text also by Markdown: < is no tag; code stays as it is."""
    parts = prose.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def transcripts() -> dict[str, str]:
    """Pages by their place in the site."""
    pages = {}
    for folder, place in TRANSCRIPTS.items():
        for path in sorted((ROOT / "fixtures" / "transcripts" / folder).glob("*.t")):
            text = transcript_page(path.read_text("utf-8"), path.name)
            uri = f"{place}/{path.stem}.md"
            if folder == "stories" and (ROOT / "fixtures" / "stories" / f"{path.stem}.vmt").exists():
                text += f"\n[Step through it](../steps/{path.stem}.html), back and forth, with the picture of each step.\n"
            pages[uri] = relinked(text, f"fixtures/transcripts/{folder}", uri)
    return pages


def title_of(markdown: str) -> str:
    return markdown.split("\n", 1)[0].removeprefix("# ")


# Links of files in the tree, as links of the site.

def places() -> dict[str, str]:
    """Where in the site a file of the tree is shown."""
    found = {"README.md": "index.md", "vmtool/mm/COVERAGE.md": "exact.md"}
    for folder, place in TRANSCRIPTS.items():
        for path in (ROOT / "fixtures" / "transcripts" / folder).glob("*.t"):
            found[f"fixtures/transcripts/{folder}/{path.name}"] = f"{place}/{path.stem}.md"
    found |= {f"fixtures/stories/{path.name}": f"steps/{path.stem}.html" for path in (ROOT / "fixtures" / "stories").glob("*.vmt")}
    for path in readmes():
        folder = path.parent.relative_to(ROOT).as_posix()
        found[folder] = found[f"{folder}/README.md"] = f"inside/{path.parent.name}.md"
    return found


def readmes() -> list[Path]:
    """The rooms' own."""
    return sorted((ROOT / "vmtool").glob("*/README.md"))


def relinked(text: str, folder: str, uri: str) -> str:
    """Text of a file in `folder` as part of the page `uri`: a link to a file that the site does not show becomes its path."""
    there = places()

    def link(match: re.Match) -> str:
        target, anchor = match[1], match[2] or ""
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in there:
            return f"]({posixpath.relpath(there[path], posixpath.dirname(uri) or '.')}{anchor})"
        if path.startswith(("docs/", "steps/")) or target.startswith("../steps/"):
            return match[0]
        if not (ROOT / path).exists():
            raise Broken(f"{uri}: a link to {path}, which is not there")
        return f"] (`{path}`)"

    return re.sub(r"(?<!!)\[([^\[\]]*)\] \(`([^`]*)`\)", r"\1 (`\2`)", LINK.sub(link, text))


# Parts of other files.

def section(text: str, heading: str) -> str:
    """What stands under a heading, without it."""
    match = re.search(rf"(?ms)^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text)
    if match is None:
        raise Broken(f"no section {heading!r}")
    return match[2].strip()


def included(text: str, uri: str) -> str:
    """The page with its includes; a whole file's headings go one level down, and its title goes."""
    def part(match: re.Match) -> str:
        path, heading = match[1], match[2]
        found = (ROOT / path).read_text("utf-8")
        if heading:
            found = section(found, heading)
        else:
            found = re.sub(r"(?m)^# .*\n", "", found, count=1)
        return relinked(found, posixpath.dirname(path), uri)

    text = re.sub(r"<!-- include (\S+)(?: (.+?))? -->", part, text)
    return text.replace("<!-- checks -->", checks()) if "<!-- checks -->" in text else text


def checks() -> str:
    """What each file of tests says of itself, by room."""
    rooms: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").glob("*/test_*.py")):
        words = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
        if words:
            rooms.setdefault(path.parent.name, []).append(f"| `{path.name}` | {escaped(' '.join(words.split()))} |")
    return "\n\n".join([f"## tests/{room}\n\n| file | what it holds |\n|---|---|\n" + "\n".join(rows) for room, rows in rooms.items()])


# Commands.

def escaped(text: str) -> str:
    """Words that Markdown takes for what they are; what stands in backquotes stays code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd number of them: none is code
        return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)
    parts[::2] = [re.sub(r"([\\*_{}\[\]<>|#])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def command_page(name: str, seen: dict[str, str]) -> str:
    """The page of a command, with links to the transcripts that use it (`seen`: their texts by place)."""
    command = table.find(name)
    assert command is not None
    page = manual.page(command)
    text = f"# vmtool {page.name}\n\n{escaped(page.help)}\n\n{FENCE}text\nvmtool {page.name} {page.synopsis}".rstrip() + f"\n{FENCE}\n"
    if page.details:
        text += f"\n{escaped(page.details)}\n"
    for title, rows in (("Arguments", page.arguments), ("Options", page.options)):
        if rows:
            text += f"\n## {title}\n\n" + "\n".join([f"`{tag}`\n:   {escaped(words)}\n" for tag, words in rows])
    text += f"\n## Example\n\n{FENCE}console\n" + "\n".join([f"$ {line}" for line in page.example]) + f"\n{FENCE}\n"
    at_work = [f"[{title_of(shown)}](../{uri})" for uri, shown in seen.items() if re.search(rf"vmtool( -\S+ \S+)* {name}(?![\w-])", shown)]
    if at_work:
        text += "\n## At work\n\n" + "\n".join([f"* {link}" for link in at_work]) + "\n"
    return text + "\nExit statuses and what all commands share: [commands](index.md).\n"


def commands(seen: dict[str, str]) -> dict[str, str]:
    index = f"# Commands\n\n{escaped(manual.ABOUT)}\n\n{escaped(manual.WORDS)}\n"
    for family, title in table.FAMILIES.items():
        index += f"\n## {title}\n\n" + "\n".join([f"[{command.name}]({command.name}.md)\n:   {escaped(command.help)}\n"
                                                 for command in table.declared_in(family)])
    for title, rows in (("Before the command", manual.GLOBAL), ("Exit status", manual.STATUSES)):
        index += f"\n## {title}\n\n" + "\n".join([f"`{tag}`\n:   {escaped(words)}\n" for tag, words in rows])
    return {"commands/index.md": index, **{f"commands/{name}.md": command_page(name, seen) for name in table.names()}}


# Sessions: what the pages' commands print and draw.

def played(text: str, uri: str) -> tuple[str, dict[str, bytes]]:
    """The page with the outputs of its sessions, and the pictures they wrote, by their names."""
    blocks = re.findall(rf"(?ms)^{FENCE}session\n(.*?)^{FENCE}$", text)
    if not blocks:
        return text, {}
    with tempfile.TemporaryDirectory() as directory:
        shown = iter(_answers(blocks, Path(directory), uri))
        text = re.sub(rf"(?ms)^{FENCE}session\n.*?^{FENCE}$", lambda match: f"{FENCE}console\n{next(shown)}{FENCE}", text)
        return text, {path.name: path.read_bytes() for path in sorted(Path(directory).glob("*.svg"))}


def _answers(blocks: list[str], directory: Path, uri: str) -> list[str]:
    """The blocks with what their commands printed."""
    steps = [re.findall(r"(?m)^\$ (.*(?:\n> .*)*)\n(?:\[(\d+)\]\n)?", block) for block in blocks]
    salt = secrets.token_hex(8)
    script = "exec 2>&1\n" + 'vmtool() { "$PYTHON" -m vmtool "$@"; }\n'
    for words, _ in [step for block in steps for step in block]:
        script += words.replace("\n> ", "\n") + f"\necho {salt} $?\n"
    environ = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory), "TMPDIR": str(directory), "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "1", "TZ": "UTC", "COLUMNS": "80", "TERM": "dumb", "VMTOOL_SYNC": "off"}
    done = subprocess.run(["sh", "-s"], input=script.encode(), cwd=directory, env=environ, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
    outputs = iter(re.findall(rf"(?s)(.*?){salt} (\d+)\n", done.stdout.decode("utf-8", "backslashreplace")))
    texts = []
    for block in steps:
        text = ""
        for words, wanted in block:
            output, status = next(outputs)
            if status != (wanted or "0"):
                raise Broken(f"{uri}: {words}: status {status}, not {wanted or '0'}: {output}")
            text += f"$ {words}\n{output}" + (f"[{status}]\n" if status != "0" else "")
        texts.append(text)
    return texts


def story_to_step(path: Path) -> tuple[str, bytes]:
    """A story as a page of `vmtool report`. It may end with a signal."""
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory, "page.html")
        words = [sys.executable, "-m", "vmtool", "-s", f"{directory}/none.vmt", "report", str(path), "-o", str(page)]
        subprocess.run(words, cwd=directory, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=TIMEOUT_SECONDS)
        if not page.exists():
            raise Broken(f"no page of {path.name}")
        return f"steps/{path.stem}.html", page.read_bytes()


def index_of_stories(pages: dict[str, str], steps: dict[str, bytes]) -> str:
    text = "# Stories\n\nEach is a shell session with its explanation, and the tests run it.\n\n"
    text += "\n".join([f"* [{title_of(page)}]({posixpath.basename(uri)})" for uri, page in pages.items() if uri.startswith("stories/")])
    text += "\n\n## To step through\n\nThe same as scripts, a picture for each line: ← and → step, ? helps.\n\n"
    for uri in steps:
        script = (ROOT / "fixtures" / "stories" / f"{Path(uri).stem}.vmt").read_text("utf-8")
        text += f"* [{script.split(chr(10), 1)[0].removeprefix('# ')}](../{uri})\n"
    return text


# MkDocs' hooks.

def on_config(config):
    config.theme.static_templates -= {"404.html", "sitemap.xml"}  # their links begin at a server's root
    return config


def on_post_page(output, page, config):
    """The theme's darkmode.js asks for these two also where nothing is highlighted."""
    return output.replace("</head>", '<style id="hljs-light"></style><style id="hljs-dark"></style></head>', 1)


def on_post_build(config):
    """The search's index as a script, for docs/from-disk.js. It is there: plugins come before hooks."""
    folder = Path(config.site_dir, "search")
    (folder / "search_index.js").write_text(f"var search_index = {(folder / 'search_index.json').read_text('utf-8')};\n", "utf-8")


def on_files(files, config):
    """Every page that is made, and the written ones with their sessions played."""
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File

    try:
        made = everything({file.src_uri: file.content_string for file in files.documentation_pages()})
    except (Broken, subprocess.TimeoutExpired) as error:
        raise PluginError(str(error)) from None
    for uri, content in made.items():
        if (old := files.get_file_from_path(uri)) is not None:
            files.remove(old)
        files.append(File.generated(config, uri, content=content))
    config.nav = [_listed(item, sorted(made)) for item in config.nav]
    return files


def everything(written: dict[str, str]) -> dict[str, str | bytes]:
    """All that the site is made of, by its place: pages, and the pictures beside them. `written`: the pages of docs/."""
    pages = transcripts()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        stories = pool.map(story_to_step, sorted((ROOT / "fixtures" / "stories").glob("*.vmt")))
        texts = {uri: included(text, uri) for uri, text in written.items()}
        shown = dict(zip(texts, pool.map(played, texts.values(), texts), strict=True))
        steps = dict(stories)
    pages |= commands(pages) | {"stories/index.md": index_of_stories(pages, steps)}
    for path in readmes():
        uri = f"inside/{path.parent.name}.md"
        pages[uri] = relinked(path.read_text("utf-8"), path.parent.relative_to(ROOT).as_posix(), uri)
    pictures: dict[str, bytes] = {}
    for uri, (text, drawn) in shown.items():
        pages[uri] = text
        for name, picture in drawn.items():
            place = posixpath.join(posixpath.dirname(uri), name)
            if pictures.setdefault(place, picture) is not picture:
                raise Broken(f"{uri}: there is a {place} already")
    return {**pages, **steps, **pictures}


def _listed(item, uris):
    """A nav entry that names a folder lists its pages, the index first."""
    if not isinstance(item, dict):
        return item
    ((title, place),) = item.items()
    if not isinstance(place, str) or place.endswith(".md"):
        return item
    pages = [uri for uri in uris if uri.startswith(f"{place}/")]
    return {title: sorted(pages, key=lambda uri: (not uri.endswith("/index.md"), uri))}
