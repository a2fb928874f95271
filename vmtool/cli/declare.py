"""What a command's declaration is made of: plain records, cheap to make, that name no handler's module.

Model: a command has a name, parameters and texts; `parse` reads words by it and `click_app` builds
click's objects from it. A handler is a string "module:function" inside `vmtool.cli`, so that a
listing or a `--help` imports none.

Invariants (tests/cli/test_table.py): only the last argument may repeat; no required argument
follows an optional one; a command with an argument that may begin with `-` has no short options,
so that both readers take `-9` and `-KILL` for what they are; every command has help and an example.
"""

READS = "reads"  # looks at the last commit
WRITES = "writes"  # one writer at a time; what it did is committed before its result is printed
SPAWNS = "spawns"  # writes, and boots a default machine when there is none
BOOTS = "boots"  # writes into a new state file
ALONE = "alone"  # opens what it needs itself: called with the settings instead of a machine


class Param:
    """One parameter. `kind` names a converter of `kinds`; `flags` is empty for an argument.

    An option without a kind is a switch: it stores `value` under `name`, or counts with `count`.
    `dash`: the argument may begin with `-`. `rest`: takes all that follows `--`, and only that.
    """

    __slots__ = ("name", "kind", "flags", "metavar", "help", "default", "required", "dash", "repeat", "rest", "value", "count")

    def __init__(self, name, kind=None, flags=(), *, metavar=None, help="", default=None, required=True, dash=False,
                 repeat=False, rest=False, value=True, count=False):
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


class Command:
    """One command. `access` is one of the five above, or a function of the parameters' values that gives READS or WRITES.

    The handler gets the machine and the parameters by name, with `on_session` the session on the state file instead.
    """

    __slots__ = ("name", "handler", "params", "access", "help", "details", "example", "arguments", "options", "defaults", "rest",
                 "may_dash", "addresses", "nr_required", "on_session", "_function")

    def __init__(self, name, handler, params, *, access, help, details="", example="", json=True, on_session=False):
        self.name = name
        self.handler = handler
        self.access = access
        self.help = help
        self.details = details
        self.example = example
        self.on_session = on_session
        self._function = None
        self.params = (*params, JSON) if json else tuple(params)
        self.rest = next((p for p in params if p.rest), None)
        self.arguments = [p for p in params if not p.flags and not p.rest]
        self.nr_required = sum(p.required for p in self.arguments)
        self.may_dash = any(p.dash for p in self.arguments)
        self.options = {flag: p for p in self.params for flag in p.flags}
        self.addresses = [p.name for p in params if p.kind == "ADDR"]
        # Switches that share a name (-w, -r, -x) have one default, that of the first.
        self.defaults = {p.name: p.default for p in reversed(self.params)}

    def function(self):
        """The handler, its module imported on first use."""
        if self._function is None:
            module, _, name = self.handler.partition(":")
            imported = __import__(f"vmtool.cli.{module}", fromlist=(name,))
            self._function = getattr(imported, name)
        return self._function


def arg(name, kind, help="", *, metavar=None, optional=False, default=None, dash=False, repeat=False):
    """An argument. A repeated one gives a list, empty when optional and absent."""
    if repeat and default is None:
        default = ()
    return Param(name, kind, metavar=metavar, help=help, default=default, required=not optional, dash=dash, repeat=repeat)


def rest(name, help, *, metavar):
    """What follows `--`."""
    return Param(name, "WORD", metavar=metavar, help=help, default=(), required=False, repeat=True, rest=True)


def option(flags, kind, metavar, help, *, name=None, default=None, repeat=False):
    """An option with a value; its name is that of its long form."""
    flags = tuple(flags.split())
    if repeat and default is None:
        default = ()
    return Param(name or flags[-1].lstrip("-").replace("-", "_"), kind, flags, metavar=metavar, help=help, default=default,
                 required=False, repeat=repeat)


def switch(flags, help, *, name=None, value=True, default=False, count=False):
    """An option without a value."""
    flags = tuple(flags.split())
    return Param(name or flags[-1].lstrip("-").replace("-", "_"), None, flags, help=help, default=0 if count else default,
                 required=False, value=value, count=count)


JSON = switch("--json", "print JSON with stable keys")
