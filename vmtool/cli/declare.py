"""What a command's declaration is made of: plain records, cheap to make, that name no handler's module.

Model: a command has a name, parameters and texts; `parse` reads words by it and `click_app` builds
click's objects from it. A handler is a string "module:function" inside `vmtool.cli`, so that a
listing or a `--help` imports none.

Invariants (tests/cli/test_table.py): only the last argument may repeat; no required argument
follows an optional one; a command with an argument that may begin with `-` has no short options,
so that both readers take `-9` and `-KILL` for what they are; every command has help and an example.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

READS = "reads"  # looks at the last commit
WRITES = "writes"  # one writer at a time; what it did is committed before its result is printed
SPAWNS = "spawns"  # writes, and boots a default machine when there is none
BOOTS = "boots"  # writes into a new state file
ALONE = "alone"  # opens what it needs itself: called with the settings instead of a machine


class Param:
    """One parameter. `kind` names a converter of `kinds`; `flags` is empty for an argument.

    An option without a kind is a switch: it stores `value` under `name`, or counts with `count`.
    `dash`: the argument may begin with `-`. `rest`: takes all that follows `--`, and only that. `tail`: a repeated argument that takes
    every word from its first on, options too: a command within the command. `hidden`: accepted, and answered as the kernel would, but
    not promised by help and completion, because what it asks for is not modelled yet.
    """

    __slots__ = ("name", "kind", "flags", "metavar", "help", "default", "required", "dash", "repeat", "rest", "value", "count",
                 "tail", "hidden")

    def __init__(self, name: str, kind: str | tuple[str, ...] | None = None, flags: tuple[str, ...] = (), *, metavar: str | None = None,
                 help: str = "", default: Any = None, required: bool = True, dash: bool = False, repeat: bool = False, rest: bool = False,
                 value: Any = True, count: bool = False, tail: bool = False, hidden: bool = False):
        self.name = name
        self.kind = kind
        self.flags = flags
        self.metavar = metavar or name.upper()
        self.help = help
        self.default = default
        self.required = required
        self.dash = dash
        self.repeat = repeat
        self.rest = rest
        self.value = value
        self.count = count
        self.tail = tail
        self.hidden = hidden


class Command:
    """One command. `access` is one of the five above, or a function of the parameters' values that gives READS or WRITES.

    The handler gets the machine and the parameters by name, with `on_session` the session on the state file instead.
    """

    __slots__ = ("name", "handler", "params", "access", "help", "details", "example", "arguments", "options", "defaults", "rest",
                 "may_dash", "tail", "exclusive", "addresses", "nr_required", "on_session", "known_function")

    def __init__(self, name: str, handler: str, params: Sequence[Param], *, access: str | Callable[[dict], str], help: str,
                 details: str = "", example: str = "", json: bool = True, on_session: bool = False, exclusive: Sequence[str] = ()):
        self.name = name
        self.handler = handler
        self.access = access
        self.help = help
        self.details = details
        self.example = example
        self.on_session = on_session
        self.known_function: Any = None  # once function() was asked
        self.params = (*params, JSON) if json else tuple(params)
        self.rest = next((p for p in params if p.rest), None)
        self.arguments = [p for p in params if not p.flags and not p.rest]
        self.nr_required = sum(p.required for p in self.arguments)
        self.tail = bool(self.arguments) and self.arguments[-1].tail
        self.may_dash = any(p.dash for p in self.arguments)
        self.options = {flag: p for p in self.params for flag in p.flags}
        # Groups of flags, or metavars of arguments, of which a line may have one: "--shared --private".
        self.exclusive = [[self.options.get(word) or next(p for p in self.arguments if p.metavar == word) for word in group.split()]
                          for group in exclusive]
        self.addresses = [p.name for p in params if p.kind == "ADDR"]
        # Switches that share a name (-w, -r, -x) have one default, that of the first.
        self.defaults = {p.name: p.default for p in reversed(self.params)}

    def function(self) -> Callable[..., Any]:
        """The handler, its module imported on first use."""
        if self.known_function is None:
            module, _, name = self.handler.partition(":")
            self.known_function = getattr(__import__(f"vmtool.cli.{module}", fromlist=(name,)), name)
        return self.known_function


def arg(name: str, kind: str | tuple[str, ...], help: str = "", *, metavar: str | None = None, optional: bool = False, default: Any = None,
        dash: bool = False, repeat: bool = False, tail: bool = False) -> Param:
    """An argument. A repeated one gives a list, empty when optional and absent."""
    repeat = repeat or tail
    if repeat and default is None:
        default = ()
    return Param(name, kind, metavar=metavar, help=help, default=default, required=not optional, dash=dash, repeat=repeat, tail=tail)


def rest(name: str, help: str, *, metavar: str) -> Param:
    """What follows `--`."""
    return Param(name, "WORD", metavar=metavar, help=help, default=(), required=False, repeat=True, rest=True)


def option(flags: str, kind: str | tuple[str, ...], metavar: str, help: str, *, name: str | None = None, default: Any = None,
           repeat: bool = False, hidden: bool = False) -> Param:
    """An option with a value; its name is that of its long form."""
    words = tuple(flags.split())
    if repeat and default is None:
        default = ()
    return Param(name or words[-1].lstrip("-").replace("-", "_"), kind, words, metavar=metavar, help=help, default=default,
                 required=False, repeat=repeat, hidden=hidden)


def switch(flags: str, help: str, *, name: str | None = None, value: Any = True, default: Any = False, count: bool = False,
           hidden: bool = False) -> Param:
    """An option without a value."""
    words = tuple(flags.split())
    return Param(name or words[-1].lstrip("-").replace("-", "_"), None, words, help=help, default=0 if count else default,
                 required=False, value=value, count=count, hidden=hidden)


JSON = switch("--json", "print JSON with stable keys")


def procfs_access(values: dict[str, Any]) -> str:
    """Of a command that may read a directory of the host's (--procfs) instead of the machine."""
    return READS if values["procfs"] is None else ALONE
