"""The small grammars of the expressions in an exported program.

A shape expression is read by sympy, which evaluates it as Python; a guard becomes a line of Python. Both therefore
have to be arithmetic of sizes and nothing else.
"""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

import ast
import re

MAX_LENGTH = 2_000
"""Longest expression in characters."""
MAX_NUMBER = 2**63
"""Largest number in an expression."""
MAX_POWER = 16
"""Largest exponent, and largest product of those of powers within powers."""
MAX_PRECISION = 1_000
"""Most digits that a number may be worked out to."""

_FUNCTIONS = frozenset(
    """
    Add Mul Max Min Mod PythonMod FloorDiv CleanDiv CeilDiv ModularIndexing IntTrueDiv FloatTrueDiv ToFloat TruncToInt
    TruncToFloat CeilToInt FloorToInt RoundToInt Identity Where Eq Ne Lt Le Gt Ge Equality Unequality StrictLessThan
    LessThan StrictGreaterThan GreaterThan And Or Not Integer Rational Float
    """.split()
)
_SYMBOL = re.compile(r"[a-z]{1,3}\d+")
_ASSUMPTIONS = frozenset("positive integer nonnegative nonzero real negative finite".split())
_WORDS = frozenset({"true", "false", "True", "False", "oo", "int_oo"})
_METHODS = frozenset({"size", "stride", "storage_offset"})
_GUARD_FUNCTIONS = frozenset("max min abs Max Min Mod PythonMod FloorDiv CleanDiv CeilDiv Eq Ne Not And Or".split())
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.FloorDiv,
    ast.Div,
    ast.Mod,
    ast.USub,
    ast.UAdd,
    ast.Not,
    ast.And,
    ast.Or,
    ast.BitAnd,
    ast.BitOr,
    ast.Invert,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
)


def size_problem(text: str) -> str | None:
    """Return what keeps a shape expression from being arithmetic of sizes, or None.

    Parameters
    ----------
    text : str
        Such as ``Symbol('s77', positive=True, integer=True)``, ``FloorDiv(s0, Integer(2))`` or ``s0 + 1``.
    """
    return _judge(text, _size)


def guard_problem(text: str) -> str | None:
    """Return what keeps a guard from being a comparison of the inputs' sizes, or None.

    Parameters
    ----------
    text : str
        Such as ``3*L['x'].size()[0] < 3000``.
    """
    return _judge(text, _guard)


def _judge(text: str, rule: object) -> str | None:
    refusal = "is not an expression of sizes"
    if len(text) > MAX_LENGTH or not text.isascii() or "\n" in text or "\\" in text:
        return refusal
    try:
        tree = ast.parse(text, mode="eval")
        small = _power(tree.body) <= MAX_POWER
        return None if small and callable(rule) and rule(tree.body) else refusal
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return refusal


def _number(node: ast.expr, most: int = MAX_NUMBER) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) <= most


def _power(node: ast.AST) -> int:
    """Largest product of the exponents over any one part: a power of powers of a digit can fill the memory."""
    match node:
        case ast.BinOp(left, ast.Pow(), ast.Constant(int() as power)):
            return max(1, power) * _power(left)
        case ast.Call(ast.Name("Pow" | "PowByNatural"), [base, power]):
            return max(1, _exponent(power) or 1) * _power(base)
    return max(map(_power, ast.iter_child_nodes(node)), default=1)


def _exponent(node: ast.expr) -> int | None:
    """The number in ``2`` or ``Integer(2)``."""
    inner = node.args[0] if isinstance(node, ast.Call) and len(node.args) == 1 else node
    return inner.value if isinstance(inner, ast.Constant) and type(inner.value) is int else None


def _compound(node: ast.expr, inner: object) -> bool | None:
    """Whether an operator's parts all fit; None where the node is no operator."""
    assert callable(inner)
    match node:
        case ast.BinOp(left, ast.Pow(), ast.Constant(int() as power)):
            return 0 <= power <= MAX_POWER and bool(inner(left))
        case ast.BinOp(left, operator, right):
            return isinstance(operator, _OPERATORS) and bool(inner(left)) and bool(inner(right))
        case ast.UnaryOp(operator, operand):
            return isinstance(operator, _OPERATORS) and bool(inner(operand))
        case ast.BoolOp(_, values):
            return all(map(inner, values))
        case ast.Compare(left, operators, rest):
            return all(isinstance(o, _OPERATORS) for o in operators) and all(map(inner, (left, *rest)))
    return None


def _size(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return _number(node)
        case ast.Name(name):
            return name in _WORDS or _SYMBOL.fullmatch(name) is not None
        case ast.Call(ast.Name("Symbol"), [ast.Constant(str() as name)], keywords):
            plain = all(isinstance(k.value, ast.Constant) and isinstance(k.value.value, bool) for k in keywords)
            return plain and _SYMBOL.fullmatch(name) is not None and {k.arg for k in keywords} <= _ASSUMPTIONS
        case ast.Call(ast.Name("Pow" | "PowByNatural"), [base, power], []):
            exponent = _exponent(power)
            return exponent is not None and 0 <= exponent <= MAX_POWER and _size(base) and _size(power)
        case ast.Call(ast.Name("Float"), [ast.Constant(str() as digits)], keywords):
            exact = all(k.arg == "precision" and _number(k.value, MAX_PRECISION) for k in keywords)
            return exact and re.fullmatch(r"-?\d{1,40}(\.\d{1,60})?(e[-+]?\d{1,3})?", digits) is not None
        case ast.Call(ast.Name(name), arguments, []):
            return name in _FUNCTIONS and all(map(_size, arguments))
    return bool(_compound(node, _size))


def _guard(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return _number(node)
        case ast.Call(ast.Attribute(owner, method), [], []):
            return method in _METHODS and _input(owner)
        case ast.Subscript(ast.Call(ast.Attribute(owner, method), [], []), ast.Constant(int())):
            return method in _METHODS and _input(owner)
        case ast.Call(ast.Name(name), arguments, []):
            return name in _GUARD_FUNCTIONS and all(map(_guard, arguments))
    if isinstance(node, ast.Subscript):
        return _input(node)
    return bool(_compound(node, _guard))


def _input(node: ast.expr) -> bool:
    """``L['x']``, ``L['flat_args'][0]``: an input by name and number."""
    depth = 0
    while isinstance(node, ast.Subscript):
        depth += 1
        key = node.slice
        if not isinstance(key, ast.Constant) or isinstance(key.value, bool):
            return False
        if not isinstance(key.value, int) and not (isinstance(key.value, str) and _KEY.fullmatch(key.value)):
            return False
        node = node.value
    return depth > 0 and isinstance(node, ast.Name) and node.id == "L"
