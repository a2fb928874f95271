"""How a function of mm or libc can fail, worked out from the Cython sources: what test_contracts.py holds the headers to.

A body (bodies.py) is walked once, with what each name may hold:

    -ENOMEM, VM_FAULT_OOM, -1    names of failures
    NO_MEMORY                    an index or a pointer that is 0 because an allocation failed, or a false that says so
    ZERO, VALUE                  nothing of interest

A branch knows what its condition told (`if err:`, `if v == 0:`, `is_err(addr)`); where it is taken only when an allocation failed, a 0 that
it returns says so. What a call returns is what its function does: the sets grow until none does, a fixed point over the call graph.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from tests.structure.bodies import Function, functions_in, sources

ERRNO = re.compile(r"E(?:[A-Z]{2,}|2BIG)$")
FAULTS = {"VM_FAULT_OOM", "VM_FAULT_SIGBUS", "VM_FAULT_SIGSEGV", "VM_FAULT_FALLBACK"}
NO_MEMORY, ZERO, VALUE, KEPT, MINUS_ONE = "no memory", "0", "*", "kept", "-1"
CALLBACK = "?"  # and a field: what the function that is there answers
NOTHING = frozenset({VALUE})
# Where memory comes from, and a failure with it: the arena's records, the machine's frames, the host's heap.
SOURCES_OF_MEMORY = {"rec_alloc", "content_alloc", "alloc_pages", "malloc", "calloc", "realloc"}
OFFERED = re.compile(r"^cdef (?!struct|enum|extern|union)[^=\n(]*?(\w+)\(", re.M)

# What a function's lines would let through, and why it cannot be: (module, function).
CANNOT_BE: dict[tuple[str, str], tuple[set[str], str]] = {
    ("readahead", "create_folio"): ({"EEXIST"}, "the place was looked up, and an allocation fills none"),
    ("fileio", "get_folio_for_write"): ({"EEXIST"}, "of a single page the place was looked up; a larger folio gives way to one"),
}


@cache
def failures() -> "Failures":
    found: dict[tuple[str, str], Function] = {}
    offered = {}
    for path in sources():
        text = path.read_text()
        found |= functions_in(path.stem, text)
        if path.suffix == ".pxd":
            offered |= dict.fromkeys(OFFERED.findall(text), path.stem)
    return Failures(found, offered, CANNOT_BE)


class State(NamedTuple):
    """What names hold on a path, and whether it is one that a failed allocation leads to."""

    names: dict[str, frozenset[str]]
    failed: bool

    def holding(self, name: str, values: frozenset[str]) -> "State":
        return State(self.names | {name: values}, self.failed)


def join(states: list[State | None]) -> State | None:
    there = [state for state in states if state is not None]
    if len(there) < 2:
        return there[0] if there else None
    names: dict[str, frozenset[str]] = {}
    for state in there:
        for name, values in state.names.items():
            names[name] = names.get(name, frozenset()) | values
    for name in names:
        if any(name not in state.names for state in there):
            names[name] |= NOTHING
    return State(names, all(state.failed for state in there))


def is_failure(value: str) -> bool:
    return value in FAULTS or value == MINUS_ONE or ERRNO.match(value.lstrip("-")) is not None


def is_errno(value: str) -> bool:
    return is_failure(value) and value not in FAULTS


def negative(value: str) -> str:
    return value[1:] if value.startswith("-") else f"-{value}" if ERRNO.match(value) else value


@cache
def body_of(function: Function) -> list[ast.stmt]:
    return ast.parse(f"def f():\n{function.text}").body[0].body


class Summary(NamedTuple):
    returns: frozenset[str]
    sets: tuple[tuple[int, str, frozenset[str]], ...]  # a parameter, "" or its field, what it holds then


def key_of(node: ast.expr) -> str | None:
    """The name of what an expression reads or sets; *p and p[0] are p."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = key_of(node.value)
        return base and f"{base}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0:
        return key_of(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        return key_of(node.operand)
    return None


class Walk:
    """One function, walked with what is known of those that it calls."""

    def __init__(self, function: Function, call) -> None:
        self.function, self.call = function, call
        self.returned: set[str] = set()
        self.at_end: list[State | None] = []
        self.loops: list[tuple[list[State | None], list[State | None]]] = []  # where breaks go, and where continues do
        start = State({name: frozenset({KEPT}) for name in function.pointers}, False)
        self.at_end.append(self.block(body_of(function), start))

    def summary(self) -> Summary:
        sets = []
        end = join(self.at_end)
        for name, values in end.names.items() if end else ():
            base, _, field = name.partition(".")
            if base in self.function.pointers and any(is_failure(value) for value in values - {MINUS_ONE}):
                sets.append((self.function.params.index(base), field, values))
        kind = self.function.kind
        says = {value for value in self.returned if is_failure(value) or value.startswith(CALLBACK)}
        if kind in ("idx_t", "pfn_t", "vaddr_t", "bint", "uint64_t") or kind.endswith("*"):
            says |= self.returned & {NO_MEMORY}
        return Summary(frozenset(says | self.returned & {ZERO, VALUE}), tuple(sets))

    # --- statements

    def block(self, statements: list[ast.stmt], state: State | None) -> State | None:
        for statement in statements:
            if state is None:
                return None
            state = getattr(self, f"on_{type(statement).__name__}")(statement, state)
        return state

    def on_Pass(self, _, state):
        return state

    def on_Expr(self, node, state):
        return self.value(node.value, state)[1]

    def on_Assign(self, node, state):
        values, state = self.value(node.value, state)
        for target in node.targets:
            name = key_of(target)
            if name:
                state = state.holding(name, values)
        return state

    def on_AnnAssign(self, node, state):
        return state

    def on_AugAssign(self, node, state):
        values, state = self.value(node.value, state)
        name = key_of(node.target)
        if name is None:
            return state
        old = state.names.get(name, NOTHING)
        if isinstance(node.op, ast.BitOr):
            return state.holding(name, old | values)
        return state.holding(name, NOTHING if not isinstance(node.op, ast.BitAnd) else old | NOTHING)

    def on_Return(self, node, state):
        if node.value is not None:
            values, state = self.value(node.value, state)
            self.returned |= {NO_MEMORY if value == ZERO and state.failed else value for value in values}
        self.at_end.append(state)

    def on_If(self, node, state):
        then, otherwise = self.told(node.test, state)
        return join([self.block(node.body, then), self.block(node.orelse, otherwise)])

    def on_While(self, node, state):
        ends: list[State | None] = []
        for _ in range(2):
            then, otherwise = self.told(node.test, state)
            if not (isinstance(node.test, ast.Constant) and node.test.value):
                ends.append(otherwise)
            state = self.round(node.body, then, ends, state)
        return join(ends)

    def on_For(self, node, state):
        _, state = self.value(node.iter, state)
        ends: list[State | None] = [state]
        for _ in range(2):
            state = self.round(node.body, state.holding(key_of(node.target) or "", NOTHING), ends, state)
            ends.append(state)
        return join(ends)

    def round(self, body, state, ends, before):
        """A loop's body once: the state before the next round."""
        again: list[State | None] = [before]
        self.loops.append((ends, again))
        again.append(self.block(body, state))
        self.loops.pop()
        return join(again)

    def on_Break(self, _, state):
        self.loops[-1][0].append(state)

    def on_Continue(self, _, state):
        self.loops[-1][1].append(state)

    # --- expressions

    def value(self, node: ast.expr, state: State) -> tuple[frozenset[str], State]:
        on = getattr(self, f"of_{type(node).__name__}", None)
        if on:
            return on(node, state)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                _, state = self.value(child, state)
        return NOTHING, state

    def of_Constant(self, node, state):
        return frozenset({ZERO} if node.value == 0 and node.value is not None else {VALUE}), state

    def of_Name(self, node, state):
        if node.id in ("NULL", "False"):
            return frozenset({ZERO}), state
        if node.id in FAULTS or ERRNO.match(node.id):
            return frozenset({node.id}), state
        return state.names.get(node.id, NOTHING), state

    def of_Attribute(self, node, state):
        return state.names.get(key_of(node) or "", NOTHING), state

    of_Subscript = of_Attribute

    def of_UnaryOp(self, node, state):
        if isinstance(node.op, ast.Not):
            return self.truth(node, state)
        values, state = self.value(node.operand, state)
        if not isinstance(node.op, ast.USub):
            return NOTHING, state
        if isinstance(node.operand, ast.Constant):
            return frozenset({MINUS_ONE} if node.operand.value == 1 else {VALUE}), state
        return frozenset(negative(value) for value in values), state

    def of_BinOp(self, node, state):
        left, state = self.value(node.left, state)
        right, state = self.value(node.right, state)
        if isinstance(node.op, ast.BitOr):
            return left | right, state
        if isinstance(node.op, ast.BitAnd) and isinstance(node.right, ast.Name) and node.right.id == "VM_FAULT_ERROR":
            return left, state
        if isinstance(node.op, ast.BitAnd) and isinstance(node.right, ast.UnaryOp):
            return left - right, state
        return NOTHING, state

    def of_BoolOp(self, node, state):
        return self.truth(node, state)

    def of_Compare(self, node, state):
        return self.truth(node, state)

    def truth(self, node, state):
        """A condition as a value: it says what it is true or false for."""
        then, otherwise = self.told(node, state)
        values = {VALUE} if then else set()
        if otherwise:
            values.add(NO_MEMORY if otherwise.failed else ZERO)
        joined = join([then, otherwise])
        return frozenset(values) or NOTHING, State(joined.names, state.failed) if joined else state

    def of_IfExp(self, node, state):
        then, otherwise = self.told(node.test, state)
        first, then = self.value(node.body, then) if then else (frozenset(), None)
        second, otherwise = self.value(node.orelse, otherwise) if otherwise else (frozenset(), None)
        values = self.told_by(first, then, state) | self.told_by(second, otherwise, state)
        joined = join([then, otherwise])
        return values or NOTHING, State(joined.names, state.failed) if joined else state

    @staticmethod
    def told_by(values, state, before):
        """The 0 of a branch that a failed allocation leads to says so."""
        if state is None or not state.failed or before.failed:
            return values
        return frozenset(NO_MEMORY if value == ZERO else value for value in values)

    def of_Call(self, node, state):
        keys = []
        for argument in node.args:
            _, state = self.value(argument, state)
            keys.append(key_of(argument))
            state = self.handed_over(argument, keys[-1], state)
        found = self.call(self.function, *self.callee(node))
        for at, field, values in found.sets:
            if at < len(keys) and keys[at]:
                key = f"{keys[at]}.{field}" if field else keys[at]
                old = state.names.get(key, NOTHING) if KEPT in values else frozenset()
                state = state.holding(key, values - {KEPT} | old)
        return found.returns, state

    @staticmethod
    def handed_over(argument, key, state):
        """What the called function may set is not known any more: the fields of a record, the variable whose address it got."""
        names = {name: values for name, values in state.names.items() if not (key and name.startswith(f"{key}."))}
        if key and isinstance(argument, ast.UnaryOp):
            names.pop(key, None)
        return State(names, state.failed)

    def callee(self, node):
        """A function's name (of one that a record holds .field, of the machine's a.field), and the variables handed over."""
        if isinstance(node.func, ast.Attribute):
            return f"{'a' if key_of(node.func.value) == 'a' else ''}.{node.func.attr}", []
        return key_of(node.func) or "", [key_of(argument) for argument in node.args]

    # --- conditions

    def told(self, test: ast.expr, state: State) -> tuple[State | None, State | None]:
        """The states where it holds and where it does not; None: it cannot be."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.told(test.operand, state)[::-1]
        if isinstance(test, ast.BoolOp):
            is_and, ends, going = isinstance(test.op, ast.And), [], state
            for part in test.values:
                if going is None:
                    break
                yes, no = self.told(part, going)
                going = yes if is_and else no
                ends.append(no if is_and else yes)
            return (going, join(ends)) if is_and else (join(ends), going)
        return self.told_simply(test, state)

    def told_simply(self, test, state):
        subject, holds = test, lambda value: value not in (ZERO, NO_MEMORY)
        if isinstance(test, ast.Compare) and len(test.ops) > 1:
            return state, state
        if isinstance(test, ast.Compare):
            subject, right = test.left, test.comparators[0]
            wanted, state = self.value(right, state)
            op = type(test.ops[0])
            if op in (ast.Eq, ast.NotEq) and wanted == {ZERO}:
                holds = lambda value: value in (ZERO, NO_MEMORY)  # noqa: E731
            elif op in (ast.Eq, ast.NotEq) and len(wanted) == 1 and is_failure(*wanted):
                holds = lambda value: value in wanted  # noqa: E731
            elif op in (ast.Lt, ast.GtE) and wanted == {ZERO}:
                holds = is_errno
            else:
                _, state = self.value(subject, state)
                return state, state
            if op in (ast.NotEq, ast.GtE):
                both = self.parted(subject, state, holds)
                return both[::-1]
        elif isinstance(test, ast.Call) and key_of(test.func) in ("is_err", "failed"):
            subject, holds = test.args[0], is_errno
        elif isinstance(test, ast.BinOp) and isinstance(test.op, ast.BitAnd):
            mask, state = self.value(test.right, state)
            if isinstance(test.right, ast.Name) and test.right.id == "VM_FAULT_ERROR":
                subject, holds = test.left, FAULTS.__contains__
            elif mask & FAULTS:
                subject, holds = test.left, mask.__contains__
            else:
                _, state = self.value(test.left, state)
                return state, state
        elif isinstance(test, ast.Constant):
            return (state, None) if test.value else (None, state)
        return self.parted(subject, state, holds)

    def parted(self, subject, state, holds):
        values, state = self.value(subject, state)
        # A record's index that says "no memory" by 0 is else not 0, and what is no errno is not negative.
        decided = NO_MEMORY in values or holds is is_errno and any(is_errno(value) for value in values)
        either = {KEPT} if decided else {KEPT, VALUE}
        parts = [frozenset(value for value in values if value in either or holds(value) == truth) for truth in (True, False)]
        return tuple(self.narrowed(state, key_of(subject), values, part) for part in parts)

    @staticmethod
    def narrowed(state, name, values, part):
        if not part:
            return None
        names = state.names | {name: part} if name else state.names
        tells = part != values or len(values) == 1
        out_of_memory = part & {NO_MEMORY, "-ENOMEM", "ENOMEM"} and all(value in (NO_MEMORY, ZERO) or is_failure(value) for value in part)
        return State(names, state.failed or tells and bool(out_of_memory))


CALLED = re.compile(r"((?:\ba\.)?\b\w+)\(")
STARTS = re.compile(r"\bE(?:[A-Z]{2,}|2BIG)\b|\bVM_FAULT_|(?:return|=|else) -1\b|\b(?:" + "|".join(SOURCES_OF_MEMORY) + r")\(")
POINTED = re.compile(r"\b(\w+)\.(\w+) = (\w+)$", re.M)


class Failures:
    """The fixed point."""

    def __init__(self, functions: dict[tuple[str, str], Function], offered: dict[str, str], cannot_be: dict | None = None) -> None:
        self.functions, self.offered, self.cannot_be = functions, offered, cannot_be or {}
        self.said_in_vain = set(self.cannot_be)  # what cannot be, and nothing says that it could
        self.summaries: dict[tuple[str, str], Summary] = {}
        self.pointed: dict[str, set[tuple[str, str]]] = defaultdict(set)  # "a.field": what it may be
        self.handed: dict = defaultdict(lambda: defaultdict(set))  # by a function: "w.field": the same
        callers = defaultdict(set)
        for key, function in functions.items():
            for variable, field, name in POINTED.findall(function.text):
                target = self.resolve(function.module, name)
                if target:
                    self.pointed[f"a.{field}"].add(target)
                    self.handed[key][f"{variable}.{field}"].add(target)
                    callers[target].add(key)
        for key, function in functions.items():
            for name in CALLED.findall(function.text):
                for target in self.targets(function.module, name):
                    callers[target].add(key)
        waiting = {key: None for key, function in functions.items() if STARTS.search(function.text)}
        visits = defaultdict(int)
        while waiting:
            key = next(iter(waiting))
            del waiting[key]
            visits[key] += 1
            found = self.without(key, Walk(functions[key], self.called).summary())
            if found != self.summaries.get(key) and visits[key] < 40:
                self.summaries[key] = found
                waiting |= {caller: None for caller in sorted(callers[key])}

    def without(self, key: tuple[str, str], summary: Summary) -> Summary:
        if key not in self.cannot_be:
            return summary
        never = {sign + name for name in self.cannot_be[key][0] for sign in ("", "-")}
        sets = tuple((at, field, values - never) for at, field, values in summary.sets)
        kept = Summary(summary.returns - never, sets)
        if kept != summary:
            self.said_in_vain.discard(key)
        return kept

    def resolve(self, module: str, name: str) -> tuple[str, str] | None:
        if (module, name) in self.functions:
            return module, name
        key = self.offered.get(name, ""), name
        return key if key in self.functions else None

    def targets(self, module: str, name: str) -> set[tuple[str, str]]:
        if name.startswith("a."):
            return self.pointed[name]
        target = self.resolve(module, name)
        return {target} if target else set()

    def called(self, function: Function, name: str, arguments: list[str | None]) -> Summary:
        if name in SOURCES_OF_MEMORY:
            return Summary(frozenset({VALUE, NO_MEMORY}), ())
        if name.startswith("."):  # a callback: who handed it over knows which
            return Summary(frozenset({VALUE, CALLBACK + name}), ())
        found = [self.summaries[target] for target in sorted(self.targets(function.module, name)) if target in self.summaries]
        returns = set().union(*(summary.returns for summary in found))
        for value in sorted(value for value in returns if value.startswith(CALLBACK)):
            mine = [self.handed[function.module, function.name][f"{argument}{value[1:]}"] for argument in arguments]
            if any(mine):
                returns.discard(value)
                for target in sorted(set().union(*mine) & self.summaries.keys()):
                    returns |= self.summaries[target].returns
        return Summary(frozenset(returns) or NOTHING, sum((summary.sets for summary in found), ()))

    def of(self, key: tuple[str, str]) -> set[str]:
        """What its contract has to name."""
        summary = self.summaries.get(key)
        if summary is None:
            return set()
        named = {value for value in summary.returns if is_failure(value) or value == NO_MEMORY}
        for _, _, values in summary.sets:
            named |= {value for value in values - {MINUS_ONE} if is_failure(value)}
        return {value.lstrip("-") if ERRNO.match(value.lstrip("-")) else value for value in named}
