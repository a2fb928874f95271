"""The command line as a click application, built from the same declarations as `parse` reads.

Click gives the listing, `--help`, and the shells' completion, and reads what the plain road of
`__main__` would not. It only reads: invoking the application returns (command, values, settings),
and `execute` does the rest, so that errors, output and exit statuses have one home.

Click's tokens are used, its conversions are not: the kinds of `kinds` convert, as for scripts.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem

from vmtool import __version__, uapi
from vmtool.cli import parse, shells, table
from vmtool.cli.declare import READS
from vmtool.cli.execute import DEFAULT_WAIT, Settings
from vmtool.cli.likeness import did_you_mean
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.cli.declare import Command

# The same page whatever the terminal is.
HELP_WIDTH = 96
ADDRESSES = ("heap", "stack", "brk")
CHOICES = {"TLB": ("skylake", "icelake", "zen2", "zen4", "cortex-a72", "neoverse-n1", "none"),
           "ADVICE": tuple(uapi.MADVISE), "RLIMIT": tuple(uapi.RLIMITS),
           "PROT": ("none", "r", "rw", "rx", "rwx", "x"),
           "SIGNAL": tuple("-" + name for name in uapi.SIGNALS)}


class Answer(Exception):
    """A text that answers the line by itself: help, version."""


def _help(ctx, param, value):
    if value and not ctx.resilient_parsing:
        raise Answer(ctx.get_help())


HELP = click.Option(["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_help, help="show this page")


class Word(click.ParamType):
    """A parameter's type as far as help and completion go; words stay words until `TableCommand` converts them."""

    name = "word"

    def __init__(self, kind):
        self.kind = kind

    def shell_complete(self, ctx, param, incomplete):
        kind = self.kind
        if kind == "HOSTPATH":
            return [CompletionItem(incomplete, type="file")]
        if kind in ("PID", "TOLD"):
            words = _of_machine(ctx, lambda machine: [str(task.pid) for task in machine.tasks()])
            words = ["on", "off", *words] if kind == "TOLD" else words
        elif kind == "PATH":
            words = _of_machine(ctx, lambda machine: [file.path for file in machine.files()])
            if incomplete[:1] not in ("", "/"):  # as it is being typed: a path begins at the only directory there is
                words = [path.lstrip("/") for path in words]
        elif kind == "PROCPATH":
            words = _of_machine(ctx, lambda machine: _in_proc(machine, incomplete))
        elif kind == "ADDR":
            words = [*ADDRESSES, *_of_machine(ctx, lambda machine: _mapped(machine, ctx.params.get("pid")))]
        elif kind == "SYSCTL":
            words = _of_machine(ctx, lambda machine: machine.sysctl_names())
        elif kind == "COMMAND":
            words = table.names()
        else:
            words = kind if isinstance(kind, tuple) else CHOICES.get(kind, ())
        return [CompletionItem(word) for word in words if word.startswith(incomplete) and word.isprintable()]


def _mapped(machine, pid):
    """The base names of the files that a process maps, as `address.resolve` takes them."""
    if not isinstance(pid, str) or not pid.isdigit():
        return []
    return sorted({vma.name.rpartition("/")[2] for vma in machine.maps(int(pid)) if vma.is_file})


def _in_proc(machine, incomplete):
    """The paths of the simulated /proc that begin so, one directory deep; a directory's ends in a slash."""
    from vmtool.procfs.tree import DIRECTORY, Tree
    above = incomplete[: incomplete.rfind("/") + 1]
    return [above + name + "/" * (kind == DIRECTORY) for name, kind in Tree(machine).list(above or "/")]


def _of_machine(ctx, ask):
    """Words from the machine that the line is about; none when it cannot be read just now."""
    settings = Settings(ctx.find_root().params.get("state"), wait=0.2)
    try:
        with settings.session(READS) as session:
            return ask(session.machine)
    except Exception:  # completion must never disturb the line being typed
        return []


class TableCommand(click.Command):
    """One declaration as click's command."""

    def __init__(self, declared):
        self.declared = declared
        text = declared.help + ("\n\n" + declared.details if declared.details else "")
        super().__init__(
            declared.name, params=[*(_param(param, declared) for param in declared.params), HELP], help=text, short_help=declared.help,
            callback=self.call, add_help_option=False, options_metavar="[OPTIONS]",
            context_settings={"ignore_unknown_options": declared.may_dash, "terminal_width": HELP_WIDTH,
                              "allow_interspersed_args": not declared.tail})

    def parse_args(self, ctx, args):
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        try:
            return self.read(ctx, args)
        except UsageError as wrong:
            wrong.word = self.name
            raise
        except click.UsageError as wrong:
            raise _usage_error(wrong, self.name) from None

    def read(self, ctx, args):
        """Click's tokens become `ctx.params`. Raises UsageError, click's own or ours."""
        declared = self.declared
        if declared.tail and "--help" in args:
            raise Answer(ctx.get_help())  # also where it stands behind the command within
        after = None
        if declared.rest is not None:
            args, after = _split_rest(declared, args)
        opts, extra, order = self.make_parser(ctx).parse_args(list(args))
        if opts.get("help") is True:
            raise Answer(ctx.get_help())
        if declared.rest is not None and isinstance(given := opts.get(declared.rest.name), (tuple, list)):
            extra = [*given, *extra]  # click binds what follows the arguments, though no `--` stood before it
        if extra:
            raise UsageError(f"unexpected argument {extra[0]!r}")
        ctx.params = self.convert(opts)
        by_click = dict(zip(map(id, self.params), declared.params, strict=False))
        parse.check_exclusive(declared, [
            param for given in order
            if (param := by_click.get(id(given))) is not None and (param.flags or _is_given(opts.get(param.name)))])
        if after is not None:
            ctx.params[declared.rest.name] = [parse.convert(declared.rest, word, "") for word in after]
        return []

    def convert(self, opts):
        """Click's words to values. What a line lacks is absent from `opts`, or, by release, None or a mark of click's own."""
        values = self.declared.defaults.copy()
        for param in self.declared.params:
            given = opts.get(param.name)
            what = param.flags[-1] if param.flags else param.metavar
            if param.rest:
                continue
            if param.kind is None:
                if isinstance(given, (str, int)):
                    values[param.name] = given
            elif isinstance(given, str):
                values[param.name] = parse.convert(param, given, what)
            elif isinstance(given, (tuple, list)) and given:
                values[param.name] = [parse.convert(param, word, what) for word in given]
            elif param.required:
                raise UsageError(f"missing {param.metavar}")
        return values

    def shell_complete(self, ctx, incomplete):
        found = super().shell_complete(ctx, incomplete)
        if incomplete[:1] == "-":  # click thinks of options alone
            for param in self.declared.arguments:
                if param.dash:
                    found += Word(param.kind).shell_complete(ctx, None, incomplete)
        return found

    def call(self, **values):
        context = click.get_current_context()
        return self.declared, values, context.obj

    def format_options(self, ctx, formatter):
        rows = [(_usage(p), p.help) for p in self.declared.params if not p.flags]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)

    def format_epilog(self, ctx, formatter):
        formatter.write_paragraph()
        with formatter.section("Example"):
            for line in self.declared.example.split("\n"):
                formatter.write(f"  {line.strip()}\n")


class Application(click.Group):
    """`vmtool` itself: the listing by families, and the table instead of click's own registry."""

    def list_commands(self, ctx):
        return table.names()

    def get_command(self, ctx, name):
        declared = table.find(name)
        return None if declared is None else TableCommand(declared)

    def resolve_command(self, ctx, args):
        if table.find(args[0]) is None and not ctx.resilient_parsing:
            unknown = UsageError(f"no such command{did_you_mean(args[0], table.names())}")
            unknown.word = args[0]
            raise unknown
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx, formatter):
        for family, heading in table.FAMILIES.items():
            with formatter.section(heading):
                formatter.write_dl([(declared.name, declared.help) for declared in table.declared_in(family)])


def application() -> Application:
    """The group with its options."""
    def start(state, wait):
        click.get_current_context().obj = Settings(state, wait)

    return Application(
        "vmtool", callback=start, help="Linux memory management in a file.", add_help_option=False, no_args_is_help=False,
        epilog="VMTOOL_STATE names the state file when -s does not. Try 'vmtool COMMAND --help'.",
        context_settings={"terminal_width": HELP_WIDTH},
        params=[
            click.Option(["-s", "--state"], metavar="FILE", type=click.Path(), help="the machine's file, machine.vmt unless given"),
            click.Option(["--wait"], metavar="SECONDS", type=Seconds(), default=DEFAULT_WAIT, show_default=True,
                         help="how long to wait for another writer"),
            click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="print the version"),
            HELP,
        ])


class Seconds(click.ParamType):
    """A time of not more than a year."""

    name = "seconds"

    def convert(self, value, param, ctx):
        try:
            return parse.seconds(str(value))
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


def _version(ctx, param, value):
    if value and not ctx.resilient_parsing:
        raise Answer(f"vmtool {__version__}")


def overview() -> str:
    """The page of `vmtool --help`."""
    app = application()
    return app.get_help(click.Context(app, info_name="vmtool", **app.context_settings)).rstrip() + "\n"


def read(words: list[str]) -> tuple[Command, dict, Settings] | str:
    """(command, values, settings) by click, or the text that answers the line.

    Raises UsageError, with the word that stands for the command in the message as its `word`.
    Completion, asked for by the environment, ends the process.
    """
    app = application()
    if "_VMTOOL_COMPLETE" in os.environ:
        shells.register()
    try:
        return app.main(list(words), prog_name="vmtool", standalone_mode=False)
    except Answer as answer:
        return str(answer).rstrip() + "\n"
    except click.UsageError as wrong:
        raise _usage_error(wrong, "") from None


def _is_given(value):
    """Whether the line has an argument: what it lacks is None, an empty tuple, or a mark of click's own."""
    return isinstance(value, str) or isinstance(value, (tuple, list)) and len(value) > 0


def _usage_error(wrong, name):
    """Click's complaint as one of ours: a sentence without its capital and its full stop."""
    message = wrong.format_message().rstrip(".")
    failure = UsageError(message[:1].lower() + message[1:])
    failure.word = name
    return failure


def _usage(param):
    """How an argument stands in the usage line."""
    text = param.metavar + ("…" if param.repeat else "")
    text = f"-- {text}" if param.rest else text
    return text if param.required else f"[{text}]"


def _split_rest(declared, args):
    """The words before the `--` that begins the rest, and those after it (None without one)."""
    at = 0
    while at < len(args):
        if args[at] == "--":
            return args[:at], args[at + 1:]
        param = declared.options.get(args[at])
        at += 2 if param is not None and param.kind is not None else 1
    return args, None


def _param(param, declared):
    """The click parameter of a declared one. Of switches that share a name the last one given stores its value."""
    if not param.flags:
        return click.Argument([param.name], required=param.required, nargs=-1 if param.repeat else 1, type=Word(param.kind),
                              metavar=_usage(param))
    names, texts = [*param.flags, param.name], {"help": param.help + _excludes(param, declared), "hidden": param.hidden}
    if param.kind is not None:
        return click.Option(names, type=Word(param.kind), metavar=param.metavar, multiple=param.repeat, **texts)
    if param.count:
        return click.Option(names, count=True, **texts)
    return click.Option(names, is_flag=True, flag_value=param.value, type=click.UNPROCESSED, **texts)


def _excludes(param, declared):
    """What may not stand beside an option, where that is a word or two."""
    others = [other for group in declared.exclusive if param in group for other in group if other is not param]
    return f" (not with {' or '.join((other.flags or (other.metavar,))[-1] for other in others)})" if 0 < len(others) < 3 else ""
