"""Reads from the sources which warnings and errors tfviz may give, and from a page which of them it explains.

A text is read with … for what is known only when it runs. It is put together from strings and f-strings, the names and
constants in them, and the functions of the package that return them, all by name alone: two of one name count as both.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

HOLE = "…"
# What collections of warnings are called in the package, and what puts a text among them.
LISTS = {"warnings", "messages", "said"}
SPEAKERS = {"emit_warnings", "say", "note"}
# What says why a map is zero, a method is left out or a value is not defined, which is the end of a warning.
REASONS = {"when_zero", "zero_means", "zeros_at", "zeros_of_gradient", "missing_package", "since"}
# How functions begin whose result is warnings about diagnostics.
JUDGING = "_warn_of_"
PREFIX = "warning: "  # of what a command prints itself
# What passes on the texts that it is given.
PASSING = {"tuple", "list", "dict", "sorted", "fromkeys", "map"}
WORDS = re.compile(r"\w{2,}\W+\w{2,}\W+\w{2,}")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Scope = ast.Module | ast.FunctionDef
Sink = Callable[[ast.AST, Scope], Iterable[ast.expr]]


class Package:
    """The functions, constants and messages in the modules of a folder."""

    def __init__(self, folder: Path) -> None:
        self._module: dict[Scope, ast.Module] = {}
        self._functions: dict[str, list[Scope]] = defaultdict(list)
        self._constants: dict[str, list[tuple[ast.expr, Scope]]] = defaultdict(list)
        self._locals: dict[Scope, dict[str, list[ast.expr]]] = {}
        self._known: dict[ast.AST, set[str]] = {}
        for path in sorted(folder.rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            self._module[tree] = tree
            for name, values in self._bound(tree).items():
                self._constants[name] += [(value, tree) for value in values]
            for node in ast.walk(tree):
                if isinstance(node, FUNCTIONS):
                    self._module[node] = tree
                    self._functions[node.name].append(node)

    def warnings(self) -> set[str]:
        """Return every text that becomes a warning, and every reason that stands in one of a map that is zero.

        Of two texts of which one says more, that one: the other was read on a longer way.
        """
        found = {each.removeprefix(PREFIX) for each in self._given_to(_warned)}
        return {each for each in found if not any(other != each and matching(other, [each]) for other in found)}

    def errors(self, names: Iterable[str]) -> set[str]:
        """Return every text that is given to the classes of those names."""
        known = set(names)
        return self._given_to(lambda node, _: node.args[:1] if _called(node) in known else ())

    def _given_to(self, sink: Sink) -> set[str]:
        found = {
            text
            for scope in self._module
            for node in _nodes(scope)
            for given in sink(node, scope)
            for text in self._texts(given, scope)
        }
        return {text for text in found if WORDS.search(text)}

    def _texts(self, node: ast.AST, scope: Scope) -> set[str]:
        """Return what an expression may say: a string, or each string in a collection."""
        if node not in self._known:
            self._known[node] = {HOLE}  # for what refers to itself
            found = self._read(node, scope)
            self._known[node] = {HOLE} if found is None else found
        return self._known[node]

    def _read(self, node: ast.AST, scope: Scope) -> set[str] | None:
        """Return that, nothing for an empty collection; None if it is not known."""

        def among(*parts: ast.AST) -> set[str]:
            return {text for part in parts for text in self._texts(part, scope)}

        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=parts):
                return {_joined(each) for each in product(*map(among, parts))}
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return {_joined(each) for each in product(among(left), among(right))}
            case ast.IfExp(body=first, orelse=second):
                return among(first, second)
            case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return among(*parts)
            case ast.FormattedValue(value=part, conversion=-1, format_spec=None) | ast.Starred(value=part):
                return among(part)
            case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part) | ast.BinOp(left=part, op=ast.Mult()):
                return among(part)
            case ast.Name(id=name):
                values = [(each, scope) for each in self._bound(scope).get(name, ())] or self._constant(name, scope)
                return {text for value, inside in values for text in self._texts(value, inside)} if values else None
            case ast.Call() as call if _called(call) in PASSING:
                return among(*call.args)
            case ast.Call() | ast.Attribute() as call:
                returned = self._returned(call, scope)
                return {text for value, inside in returned for text in self._texts(value, inside)} if returned else None
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int(index))):
                returned = [each for each in self._returned(call, scope) if isinstance(each[0], ast.Tuple)]
                found = {text for value, inside in returned for text in self._texts(value.elts[index], inside)}
                return found if returned else None
        return None

    def _returned(self, call: ast.Call | ast.Attribute, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        """Return what the functions, or properties, of a name return or yield, each with its function.

        Of functions, those of the same module if there are any; methods may belong to any object.
        """
        if isinstance(call, ast.Attribute):
            known = [
                each for each in self._functions.get(call.attr, ()) if "property" in map(_name, each.decorator_list)
            ]
        else:
            known = self._functions.get(_called(call), [])
        is_plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        own = [each for each in known if is_plain and self._module[each] is self._module[scope]]
        return [
            (node.value, function)
            for function in own or known
            for node in _nodes(function)
            if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
        ]

    def _constant(self, name: str, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        found = self._constants.get(name, [])
        return [each for each in found if each[1] is self._module[scope]] or found

    def _bound(self, scope: Scope) -> dict[str, list[ast.expr]]:
        """Return what each name of a scope may stand for."""
        if scope not in self._locals:
            found = self._locals[scope] = defaultdict(list)
            for node in _nodes(scope):
                for target, value in _bindings(node):
                    for name, part in _unpacked(target, value):
                        found[name].append(part)
        return self._locals[scope]


def _joined(parts: Iterable[str]) -> str:
    return re.sub(f"{HOLE}+", HOLE, "".join(parts))


def _nodes(scope: Scope) -> Iterator[ast.AST]:
    """Yield the nodes of a module or function that are not in a function inside."""
    pending: list[ast.AST] = list(scope.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, FUNCTIONS):
            pending.extend(node.decorator_list)
        elif isinstance(node, ast.JoinedStr):
            pending.extend(part for part in node.values if isinstance(part, ast.FormattedValue))
        else:
            pending.extend(ast.iter_child_nodes(node))


def _called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(value=ast.Name(id=name))):
            return name
    return ""


def _name(node: ast.AST) -> str:
    """Return the name that is bound where a node is assigned to: of a subscript that of the collection."""
    node = node.value if isinstance(node, ast.Subscript) else node
    return getattr(node, "id", None) or getattr(node, "attr", None) or ""


def _warned(node: ast.AST, scope: Scope) -> Iterator[ast.expr]:
    """Yield the expressions at a node of a scope whose texts become warnings, or reasons in them."""
    if isinstance(node, ast.Call) and _called(node) in SPEAKERS:
        # Of a command's own lines those that begin so; of `passes` whatever it says.
        yield from node.args if isinstance(node.func, ast.Attribute) or _called(node) != "say" else ()
    if isinstance(node, ast.Constant | ast.JoinedStr) and _begins_as_warning(node):
        yield node
    if isinstance(node, ast.BinOp) and {_name(node.left), _name(node.right)} & LISTS:
        yield from (node.left, node.right)
    if isinstance(node, ast.keyword) and node.arg in {*LISTS, *REASONS}:
        yield node.value
    name = getattr(scope, "name", "")
    if isinstance(node, ast.Return) and node.value is not None and (name in REASONS or name.startswith(JUDGING)):
        yield node.value
    for target, value in _bindings(node):
        for name, part in _unpacked(target, value):
            if name in {*LISTS, *REASONS}:
                yield part


def _begins_as_warning(node: ast.Constant | ast.JoinedStr) -> bool:
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
    return isinstance(first, ast.Constant) and str(first.value).startswith(PREFIX)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what a node assigns or adds to what, each a name, an attribute or a tuple of them."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
            yield target, value
        case ast.NamedExpr(target=target, value=value) | ast.For(target=target, iter=value):
            yield target, value
        case ast.comprehension(target=target, iter=value):
            yield target, value
        case ast.Call(func=ast.Attribute(attr="append" | "extend", value=target), args=[value]):
            yield target, value


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name in a target with its part of the value, where that can be told."""
    if not isinstance(target, ast.Tuple):
        yield _name(target), value
    elif isinstance(value, ast.IfExp):
        yield from [*_unpacked(target, value.body), *_unpacked(target, value.orelse)]
    else:
        count = len(target.elts)
        parts = value.elts if isinstance(value, ast.Tuple) else [_part(value, index) for index in range(count)]
        for each, part in zip(target.elts, parts, strict=False):
            yield from _unpacked(each, part)


def _part(value: ast.expr, index: int) -> ast.expr:
    return ast.Subscript(value, ast.Constant(index))


def headings(page: str) -> list[str]:
    """Return the headings of a page that are one message, or the name of a class."""
    return re.findall(r"^### `(.+)`$", page, re.MULTILINE)


def matching(text: str, known: Iterable[str]) -> list[str]:
    """Return the headings of which a text is an instance: … stands for anything."""
    return [each for each in known if _pattern(each).fullmatch(text)]


@cache
def _pattern(heading: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, heading.split(HOLE))), re.DOTALL)
