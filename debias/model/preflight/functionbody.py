"""One function of a TorchScript program: where every name, field and call in it leads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from debias.errors import Problem
from debias.model.preflight import allowlist

NATIVE_CLASSES = "__torch__.torch.classes"
QUANTISED = "A quantised network has no weights that can be repaired: use the file it was quantised from."
MAX_LOOP = 100_000
"""Most rounds of a `for` over a fixed range, those of loops within loops multiplied."""
MAX_ROUNDS = 32
"""Most rounds in which the classes of names are worked out; torch's own text needs as many as its longest chain."""
MAX_PROBLEMS = 1_000
"""Most reasons that are noted of one file."""
_ROOTS = frozenset({"torch", "ops", "__torch__", "CONSTANTS"})
_NAMES = allowlist.TORCHSCRIPT_WORDS | allowlist.TORCHSCRIPT_TYPES
_EXPRESSIONS = (
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Call,
    ast.Subscript,
    ast.Slice,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.UnaryOp,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
)


@dataclass
class ClassText:
    """One class of the program: the entry it stands in, its fields with their types, its methods."""

    entry: str
    node: ast.ClassDef
    fields: dict[str, ast.expr] = field(default_factory=dict)
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)


class Declarations:
    """The classes and functions of one file, and what was found in them so far."""

    def __init__(self) -> None:
        self.classes: dict[str, ClassText] = {}
        self.functions: dict[str, tuple[str, ast.FunctionDef]] = {}
        self.problems: list[Problem] = []
        self.calls: dict[str, list[tuple[str, int]]] = {}
        """What each function of the file calls, with the rounds of the loops around the call."""

    def refuse(self, found: str, entry: str, node: ast.AST | None = None, remedy: str = "") -> None:
        """Note a reason against the file, with the line of `node`."""
        if len(self.problems) >= MAX_PROBLEMS:
            return
        line = getattr(node, "lineno", None)
        self.problems.append(Problem(found, f"{entry}, line {line}" if line else entry, remedy))

    def annotation(self, node: ast.expr, entry: str) -> None:
        """Check a type: names, and classes that stand in the file."""
        for part in ast.walk(node):
            if not isinstance(
                part, ast.Name | ast.Attribute | ast.Subscript | ast.Tuple | ast.List | ast.Constant | ast.Load
            ):
                self.refuse("a type that is computed", entry, node)
                return
        for chain in _chains(node):
            name = dotted(chain) or ""
            if name.startswith(NATIVE_CLASSES):
                self.native(name, entry, node)
            elif name.startswith("__torch__.") and name not in self.classes:
                self.refuse(f"the type {name} is not in the file", entry, node)

    def native(self, name: str, entry: str, node: ast.AST) -> None:
        """Note the use of a class that is compiled code with its own way of being unpickled."""
        quantised = name.startswith(f"{NATIVE_CLASSES}.quantized")
        self.refuse(f"a class that is native code ({name[10:]})", entry, node, QUANTISED if quantised else "")


def dotted(node: ast.expr) -> str | None:
    """Return ``a.b.c`` where the expression is a chain of names, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join((node.id, *reversed(parts)))


class Body:
    """One function: the classes of its names, then every statement."""

    def __init__(self, program: Declarations, entry: str, node: ast.FunctionDef, owner: str | None, name: str) -> None:
        self.program = program
        self.calls = program.calls.setdefault(name, [])
        self.entry = entry
        self.node = node
        self.owner = owner
        self.kinds: dict[str, str | None] = {}
        self.rounds = 1  # of all the loops around a statement
        self._kinds_of: dict[ast.expr, str | None] = {}

    def refuse(self, found: str, node: ast.AST, remedy: str = "") -> None:
        self.program.refuse(found, self.entry, node, remedy)

    def check(self) -> None:
        arguments = self.node.args
        odd = arguments.vararg or arguments.kwarg or arguments.posonlyargs or arguments.kwonlyargs
        if odd or self.node.decorator_list:
            self.refuse(f"{self.node.name} has a form that torch does not write", self.node)
        for number, argument in enumerate(arguments.args):
            kind = dotted(argument.annotation) if argument.annotation is not None else None
            if argument.annotation is not None:
                self.program.annotation(argument.annotation, self.entry)
            if self.owner and number == 0 and kind not in (self.owner, None):
                self.refuse(f"the first argument of {self.node.name} has another class", self.node)
            self.declared(argument.arg, argument)
            self.kinds[argument.arg] = self.owner if self.owner and number == 0 else self._class_of(kind)
        for default in arguments.defaults:
            self.expression(default)
        if self.node.returns is not None:
            self.program.annotation(self.node.returns, self.entry)
        self._infer()
        self.block(self.node.body)

    def _class_of(self, name: str | None) -> str | None:
        return name if name in self.program.classes else None

    def _infer(self) -> None:
        """What each name stands for: a class, a function of the file ("()" behind it) or, by None, a plain value.

        A name that is assigned two kinds of things counts as a plain value, on which no method can be called.
        """
        fixed = dict(self.kinds)
        assigned = [(name, value) for node in ast.walk(self.node) for name, value in _assignments(node)]
        for _ in range(MAX_ROUNDS):
            self._kinds_of.clear()
            seen: dict[str, set[str | None]] = {name: {kind} for name, kind in fixed.items()}
            for name, value in assigned:
                kind = self.kind(value) if value is not None else None
                seen.setdefault(name, set()).add(kind)
            kinds = {name: next(iter(found)) if len(found) == 1 else None for name, found in seen.items()}
            if kinds == self.kinds:
                return
            self.kinds = kinds
        self._kinds_of.clear()
        self.kinds = dict.fromkeys(self.kinds)

    def kind(self, node: ast.expr) -> str | None:
        """The class, or the function, that an expression stands for; worked out once for each."""
        if node not in self._kinds_of:
            self._kinds_of[node] = self._kind(node)
        return self._kinds_of[node]

    def _kind(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self.kinds.get(node.id)
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name is not None and name.startswith("__torch__."):
                return f"{name}()" if name in self.program.functions or name in self.program.classes else None
            return self._member(node.value, node.attr)
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            return self._member(node.args[0], _text(node.args[1])) if len(node.args) == 2 else None
        if isinstance(node.func, ast.Name) and node.func.id == "unchecked_cast" and node.args:
            return self._class_of(dotted(node.args[0]))
        called = self.kind(node.func)
        if called is None or not called.endswith("()"):
            return None
        target = called[:-2]
        if target in self.program.classes:
            return target
        function = self.program.functions.get(target, ("", None))[1]
        if function is None:
            owner, _, method = target.partition(":")
            function = self.program.classes[owner].methods[method]
        return self._class_of(dotted(function.returns)) if function.returns is not None else None

    def _member(self, owner: ast.expr, name: str | None) -> str | None:
        kind = self.kind(owner)
        found = self.program.classes.get(kind or "")
        if found is None or name is None:
            return None
        if name in found.fields:
            return self._class_of(dotted(found.fields[name]))
        return f"{kind}:{name}()" if name in found.methods else None

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Pass():
                pass
            case ast.Expr(value) | ast.Return(ast.expr() as value):
                self.expression(value)
            case ast.Return():
                pass
            case ast.Assign(targets, value):
                for target in targets:
                    self.target(target)
                self.expression(value)
            case ast.AnnAssign(target, annotation, value):
                self.target(target)
                self.program.annotation(annotation, self.entry)
                if value is not None:
                    self.expression(value)
            case ast.If(test, body, orelse):
                self.expression(test)
                self.block(body)
                self.block(orelse)
            case ast.For(target, iterated, body, orelse):
                self.target(target)
                outside, self.rounds = self.rounds, self.rounds * self.loop(iterated, node)
                if self.rounds > MAX_LOOP:
                    self.refuse(f"loops within loops of {self.rounds:,} rounds", node)
                self.block(body)
                self.rounds = outside
                self.block(orelse)
            case ast.While():
                self.refuse("a while loop: nothing bounds it, and a feed-forward network needs none", node)
                self.expression(node.test)
                self.block(node.body)
            case _:
                self.refuse(f"a statement that a network does not need ({type(node).__name__.lower()})", node)

    def target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Tuple):
            for part in node.elts:
                self.target(part)
        elif isinstance(node, ast.Attribute):
            # a network that changes its own fields is not the same one twice; torch writes it so, and it harms nothing
            self.attribute(node)
        elif not isinstance(node, ast.Name):
            self.refuse("an assignment to something other than a name", node)
        else:
            self.declared(node.id, node)

    def declared(self, name: str, node: ast.AST) -> None:
        if name in _ROOTS or name in allowlist.TORCHSCRIPT_WORDS:
            self.refuse(f"the name {name} is given another meaning", node)

    def loop(self, node: ast.expr, place: ast.AST) -> int:
        """Check what a `for` runs over, and return its largest number, at least 1: as many rounds it may have."""
        self.expression(node)
        bounded = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
        numbers = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        if not bounded or any(isinstance(number, int | float) and abs(number) > MAX_LOOP for number in numbers):
            self.refuse("a loop over something other than a short range", place)
            return 1
        if any(isinstance(part, ast.Attribute) and part.attr in ("mul", "pow") for part in ast.walk(node)):
            self.refuse("a loop over a computed range", place)
        return max([1, *(abs(int(number)) for number in numbers if isinstance(number, int | float))])

    def expression(self, node: ast.expr) -> None:
        if not isinstance(node, _EXPRESSIONS):
            self.refuse(f"an expression that torch does not write ({type(node).__name__})", node)
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, str | int | float | None):
                self.refuse(f"an unusual constant ({type(node.value).__name__})", node)
        elif isinstance(node, ast.Name):
            self.name(node)
        elif isinstance(node, ast.Attribute):
            self.attribute(node)
        elif isinstance(node, ast.Call):
            self.call(node)
        else:
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.expr):
                    self.expression(part)

    def name(self, node: ast.Name) -> None:
        if node.id not in self.kinds and node.id not in _NAMES:
            self.refuse(f"the name {node.id}, which is defined nowhere", node)

    def attribute(self, node: ast.Attribute) -> None:
        name = dotted(node)
        root, _, rest = (name or "").partition(".")
        if name is None or root in self.kinds:
            self.member(node.value, node.attr, node)
        elif name.startswith(NATIVE_CLASSES):
            self.program.native(name, self.entry, node)
        elif not self._known(root, rest):
            what = "calls or names" if root in _ROOTS else "reads"
            self.refuse(f"the program {what} {name}, which is not on the list of harmless operators", node)

    def _known(self, root: str, rest: str) -> bool:
        if root == "torch":
            return rest in allowlist.TORCHSCRIPT
        if root == "ops":
            return rest in allowlist.TORCHSCRIPT_OPS
        if root == "__torch__":
            return f"{root}.{rest}" in self.program.functions or f"{root}.{rest}" in self.program.classes
        return root == "CONSTANTS" and re.fullmatch(r"c\d+", rest) is not None

    def member(self, owner: ast.expr, name: str | None, node: ast.AST) -> None:
        """A field or method: `owner` must be of a class that has it, for otherwise the name could be an operator."""
        self.expression(owner)
        found = self.program.classes.get(self.kind(owner) or "")
        if found is None or (name not in found.fields and name not in found.methods):
            self.refuse(f"{name!r} of something that is not known to have it", node)

    def call(self, node: ast.Call) -> None:
        function = node.func
        named = isinstance(function, ast.Name) and function.id == "getattr"
        # the owner of a field is looked at with the field: twice at each level would double the time with every one
        for argument in node.args[1:] if named and len(node.args) == 2 else node.args:
            self.expression(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self.refuse("arguments that are unpacked", node)
            self.expression(keyword.value)
        called = (self.kind(function) or "") if isinstance(function, ast.Attribute | ast.Name) else ""
        if called.endswith("()"):
            self.calls.append((called[:-2], self.rounds))
        if isinstance(function, ast.Attribute):
            self.attribute(function)
            if not self._callable(function):
                self.refuse(f"a call of {function.attr!r}, which is not a method", node)
        elif not isinstance(function, ast.Name):
            self.refuse("a call of a computed function", node)
        elif function.id == "getattr":
            name = _text(node.args[1]) if len(node.args) == 2 else None
            if name is None:
                self.refuse("getattr of a computed name", node)
            else:
                self.member(node.args[0], name, node)
        elif function.id in self.kinds:
            if not (self.kinds[function.id] or "").endswith("()"):
                self.refuse(f"a call of {function.id}, which is not a function of the file", node)
        elif function.id not in allowlist.TORCHSCRIPT_WORDS:
            self.refuse(f"the program calls {function.id}, which is not on the list of harmless operators", node)

    def _callable(self, node: ast.Attribute) -> bool:
        name = dotted(node) or ""
        root = name.partition(".")[0]
        if root in ("torch", "ops") and root not in self.kinds:
            return True
        return (self.kind(node) or "").endswith("()")


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a statement sets, with the value where there is exactly one."""
    match node:
        case ast.Assign(targets, value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, value
                else:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                            yield part.id, None
        case ast.AnnAssign(ast.Name(name), _, value):
            yield name, value
        case ast.For(target):
            for part in ast.walk(target):
                if isinstance(part, ast.Name):
                    yield part.id, None


def _chains(node: ast.expr) -> Iterator[ast.expr]:
    """The longest chains of names in a type."""
    if isinstance(node, ast.Attribute | ast.Name):
        yield node
        return
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.expr):
            yield from _chains(part)
