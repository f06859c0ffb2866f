"""The program text of a TorchScript file, judged by its syntax tree.

The text is what `torch.jit.save` printed: classes with typed fields, methods and functions, assignments, `if`, `for`,
calls. Every call is therefore resolvable by eye: an operator (``torch.NAME``, ``ops.SPACE.NAME``), a function or
method that stands in the file, or a few words of TorchScript itself. Anything else is refused, and so is a `while`: a
feed-forward network has no use for a loop without a bound, and one could keep a run busy for ever.
"""

from __future__ import annotations

import ast
import re
import tokenize
from io import StringIO

from debias.errors import Problem
from debias.model.preflight import callgraph
from debias.model.preflight.functionbody import Body, ClassText, Declarations, dotted

MAX_TEXT = 2 << 20
"""Most bytes of program text in one file."""
MAX_NESTING = 150
"""Deepest nesting of an expression or type; torch gives what is nested deeper than a line a name of its own."""
_BASES = ("Module", "NamedTuple")
_LITERALS = (ast.Constant, ast.List, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load)


class Program(Declarations):
    """All program text of one file. `add` every entry, then `check`."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def add(self, entry: str, content: bytes) -> None:
        """Parse one entry and note its classes and functions."""
        self.size += len(content)
        try:
            if self.size > MAX_TEXT:
                raise ValueError(f"{self.size:,} bytes of it; at most {MAX_TEXT:,} are read")
            tree = ast.parse(_plain(content))
            if _nesting(tree) > MAX_NESTING:
                raise ValueError(f"it is nested more than {MAX_NESTING} deep")
        except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
            self.refuse(f"not program text as torch writes it ({_first_line(error)})", entry)
            return
        module = entry.removeprefix("code/").removesuffix(".py").replace("/", ".")
        for node in tree.body:
            name = f"{module}.{getattr(node, 'name', '')}"
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and (name in self.classes or name in self.functions):
                self.refuse(f"{node.name} is defined twice", entry, node)
            elif isinstance(node, ast.ClassDef):
                self.classes[name] = self._class(entry, node)
            elif isinstance(node, ast.FunctionDef):
                self.functions[name] = (entry, node)
            else:
                self.refuse("a statement outside of classes and functions", entry, node)

    def check(self) -> list[Problem]:
        """Return everything that the allowlist and the rules of the module do not cover."""
        for name, kind in self.classes.items():
            for annotation in kind.fields.values():
                self.annotation(annotation, kind.entry)
            for method in kind.methods.values():
                self._function(kind.entry, method, name)
        for entry, function in self.functions.values():
            self._function(entry, function, None)
        found = callgraph.problem(self.calls)
        if found:
            self.refuse(found, "code/")
        return self.problems

    def _class(self, entry: str, node: ast.ClassDef) -> ClassText:
        kind = ClassText(entry, node)
        bases = [dotted(base) for base in node.bases]
        if node.decorator_list or node.keywords or any(base not in _BASES for base in bases):
            self.refuse(f"class {node.name} is neither a Module nor a NamedTuple", entry, node)
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                if item.name in kind.methods:
                    self.refuse(f"{node.name}.{item.name} is defined twice", entry, item)
                kind.methods[item.name] = item
                continue
            name, annotation, value = _field(item)
            if name is not None and annotation is not None and name not in kind.fields:
                kind.fields[name] = annotation
            elif name not in ("__parameters__", "__buffers__", "__forward_hooks__", "__forward_pre_hooks__", ""):
                self.refuse(f"an unusual statement in class {node.name}", entry, item)
            if value is not None:
                for part in ast.walk(value):
                    number = isinstance(part, ast.Name) and part.id in ("inf", "nan")
                    if not number and not isinstance(part, _LITERALS):
                        self.refuse(f"a computed value in class {node.name}", entry, item)
                        break
        return kind

    def _function(self, entry: str, node: ast.FunctionDef, owner: str | None) -> None:
        if node.name in ("__setstate__", "__getstate__"):
            self.refuse(f"{node.name} runs when the file is loaded or saved", entry, node)
        try:
            module = entry.removeprefix("code/").removesuffix(".py").replace("/", ".")
            name = f"{owner}:{node.name}" if owner else f"{module}.{node.name}"
            Body(self, entry, node, owner, name).check()
        except RecursionError:
            self.refuse("an expression that is nested too deep", entry, node)


def _plain(content: bytes) -> str:
    """The text, if Python and torch cannot read it differently."""
    text = content.decode("ascii")
    odd = re.search(r"[^\n\x20-\x7e]|\\\n", text)
    if odd:
        raise ValueError(f"the characters {odd.group()!r} on line {text.count(chr(10), 0, odd.start()) + 1}")
    if "#" in text:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                raise ValueError(f"a comment on line {token.start[0]}")
    return text


def _nesting(tree: ast.AST) -> int:
    """Depth of a syntax tree, counted without recursion."""
    depth, level = 0, [tree]
    while level and depth <= MAX_NESTING:
        depth += 1
        level = [part for node in level for part in ast.iter_child_nodes(node)]
    return depth


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _field(node: ast.stmt) -> tuple[str | None, ast.expr | None, ast.expr | None]:
    """Name, type and value of a statement in a class body; no name where it is something else."""
    match node:
        case ast.AnnAssign(ast.Name(name), annotation, value):
            return name, annotation, value
        case ast.Assign([ast.Name(name)], value):
            return name, None, value
        case ast.Assign([ast.Subscript(ast.Name("__annotations__"), ast.Constant(str() as name))], value):
            return name, value, None
        case ast.Pass():
            return "", None, None
    return None, None, None
