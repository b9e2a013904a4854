"""Parse the text of an expression to a typed tree.

The text has the syntax of a Python expression and is never evaluated: `ast` parses it, and a list of
allowed nodes becomes a tree of `expressions`.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from tasks.tuner.generator.expressions import (
    BOOLEAN,
    DATE,
    FLOAT,
    INTEGER,
    NULL,
    STRING,
    Aggregate,
    Column,
    Expression,
    ExpressionError,
    Literal,
    Member,
    Operation,
    all_of,
    check_text,
    unknown,
)

LONGEST = 10_000
"""Characters of the longest expression."""
DEEPEST = 200
"""Levels of the deepest expression; each operator of a long sum is one."""
LARGEST = 2**63 - 1

FUNCTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "year": ((DATE,), INTEGER),
    "month": ((DATE,), INTEGER),
    "day": ((DATE,), INTEGER),
    "length": ((STRING,), INTEGER),
    "substring": ((STRING, INTEGER, INTEGER), STRING),
    "starts_with": ((STRING, STRING), BOOLEAN),
    "ends_with": ((STRING, STRING), BOOLEAN),
    "contains": ((STRING, STRING), BOOLEAN),
    "like": ((STRING, STRING), BOOLEAN),
}
"""Functions with fixed types: those of the arguments, and that of the result."""
OTHER_FUNCTIONS = ("abs", "coalesce", "null_if", "float", "col", "date")
AGGREGATES = ("sum", "mean", "min", "max", "count", "count_distinct")
ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

Convert = Callable[[ast.expr], Expression]
Tree = TypeVar("Tree", Expression, Aggregate)


def parse_expression(text: str, columns: Mapping[str, str]) -> Expression:
    """Parse an expression over columns of given types.

    Parameters
    ----------
    text : str
        The expression.
    columns : mapping of str to str
        Type of each column, by name.

    Raises
    ------
    ExpressionError
        If the text is not an expression of the language, a column does not exist, or types do not fit.
    """
    return _guarded(text, lambda node, source: _convert(node, source, columns))


def parse_condition(text: str, columns: Mapping[str, str]) -> Expression:
    """Parse an expression that must be a truth value.

    Raises
    ------
    ExpressionError
        As `parse_expression`, and if the type is not boolean.
    """
    found = parse_expression(text, columns)
    if found.type != BOOLEAN:
        raise ExpressionError(f"the condition is of type {found.type}; expected boolean, such as x > 0")
    return found


def parse_aggregate(name: str, text: str, columns: Mapping[str, str]) -> Aggregate:
    """Parse one aggregate, such as `sum(price, where=returned)`.

    Raises
    ------
    ExpressionError
        As `parse_expression`, and if the outermost call is not one aggregate.
    """
    return _guarded(text, lambda node, source: _aggregate(name, node, source, columns))


def _guarded(text: str, convert: Callable[[ast.expr, str], Tree]) -> Tree:
    """Parse with `ast`, and turn each of its many errors into one kind."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {LONGEST} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Parentheses: an expression may continue on the next line.
            source = f"({text}\n)"
            node = ast.parse(source, mode="eval").body
        if _depth(node) > DEEPEST:
            raise RecursionError
        return convert(node, source)
    except SyntaxError as error:
        raise ExpressionError(f"{text!r} is not a valid expression: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deeply; split it into several columns") from None
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"{text!r} is not a valid expression: {error}") from None


def _depth(tree: ast.AST) -> int:
    """Return the levels of a tree; not by recursion, whose limit can be any."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _convert(node: ast.expr, text: str, columns: Mapping[str, str]) -> Expression:
    """Return the tree of one allowed node."""

    def below(child: ast.expr) -> Expression:
        return _convert(child, text, columns)

    if isinstance(node, ast.Constant):
        return _literal(node.value)
    if isinstance(node, ast.Name):
        return _column(node, text, columns)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return _arithmetic(ARITHMETIC[type(node.op)], below(node.left), below(node.right))
    if isinstance(node, ast.UnaryOp):
        return _unary(node.op, below(node.operand))
    if isinstance(node, ast.BoolOp):
        parts = tuple(_typed(below(value), BOOLEAN, "and, or") for value in node.values)
        return Operation("and" if isinstance(node.op, ast.And) else "or", parts, BOOLEAN)
    if isinstance(node, ast.IfExp):
        test = _typed(below(node.test), BOOLEAN, "if")
        return _operation("if", (test, *_unify((below(node.body), below(node.orelse)), "if ... else")))
    if isinstance(node, ast.Compare):
        return _compare(node, below)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, text, columns)
    raise ExpressionError(
        f"{ast.unparse(node)!r} is not part of the language; see docs/generate-a-pipeline.md for what is"
    )


def _literal(value: object) -> Literal:
    if value is None:
        return Literal(None, NULL)
    if isinstance(value, bool):
        return Literal(value, BOOLEAN)
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ExpressionError(f"{value} does not fit in 64 bits")
        return Literal(value, INTEGER)
    if isinstance(value, float) and math.isfinite(value):
        return Literal(value, FLOAT)
    if isinstance(value, str):
        check_text(value)
        return Literal(value, STRING)
    raise ExpressionError(f"{value!r} is not a number, text or truth value")


def _column(node: ast.Name, text: str, columns: Mapping[str, str]) -> Column:
    if ast.get_source_segment(text, node) != node.id:
        # The parser of Python normalises names: this is another one than was written.
        raise ExpressionError(f"write col({node.id!r}) instead of the bare name, which Python normalises")
    return _named(node.id, columns)


def _named(name: str, columns: Mapping[str, str]) -> Column:
    if name not in columns:
        raise ExpressionError(unknown("column", name, columns))
    return Column(name, columns[name])


def _arithmetic(sign: str, left: Expression, right: Expression) -> Expression:
    left, right = _unify((left, right), f"'{sign}'")
    if left.type == STRING and sign == "+":
        return Operation(sign, (left, right), STRING)
    if left.type not in (INTEGER, FLOAT) or (sign in ("//", "%") and left.type != INTEGER):
        wanted = "integers" if sign in ("//", "%") else "numbers"
        raise ExpressionError(f"'{sign}' is of type {left.type}; expected {wanted}")
    return Operation(sign, (left, right), FLOAT if sign == "/" else left.type)


def _unary(sign: ast.unaryop, value: Expression) -> Expression:
    if isinstance(sign, ast.Not):
        return Operation("not", (_typed(value, BOOLEAN, "not"),), BOOLEAN)
    if isinstance(sign, ast.USub) and value.type in (INTEGER, FLOAT):
        if isinstance(value, Literal) and isinstance(value.value, int | float):
            return Literal(-value.value, value.type)
        return Operation("negate", (value,), value.type)
    raise ExpressionError(f"the sign does not fit a value of type {value.type}; expected a number")


def _compare(node: ast.Compare, below: Convert) -> Expression:
    """Return a comparison, or all those of a chain such as `0 < x <= 1`."""
    operands = [node.left, *node.comparators]
    parts = []
    for operator, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
        if isinstance(operator, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise ExpressionError("'is' compares with None only; write == for other values")
            part: Expression = Operation("is null", (_with_type(below(left), "is None"),), BOOLEAN)
            parts.append(_not(part) if isinstance(operator, ast.IsNot) else part)
        elif isinstance(operator, ast.In | ast.NotIn):
            part = _member(below(left), right, below)
            parts.append(_not(part) if isinstance(operator, ast.NotIn) else part)
        else:
            sign = COMPARISONS[type(operator)]
            pair = _unify((below(left), below(right)), f"'{sign}'")
            if pair[0].type == BOOLEAN and sign not in ("==", "!="):
                raise ExpressionError(f"'{sign}' does not order truth values; expected == or !=")
            if isinstance(pair[0], Literal) and not isinstance(pair[1], Literal):
                # The constant second, as linters want it.
                sign, pair = MIRRORED.get(sign, sign), (pair[1], pair[0])
            parts.append(Operation(sign, pair, BOOLEAN))
    return all_of(tuple(parts))


def _not(value: Expression) -> Operation:
    return Operation("not", (value,), BOOLEAN)


def _member(value: Expression, options: ast.expr, below: Convert) -> Member:
    if not isinstance(options, ast.List | ast.Tuple) or not options.elts:
        raise ExpressionError("'in' needs a list of constants, such as x in ['a', 'b']")
    found = [below(option) for option in options.elts]
    if any(not isinstance(option, Literal) or option.value is None for option in found):
        raise ExpressionError("'in' needs constants that are not None")
    value, *unified = _unify((value, *found), "'in'")
    values = [option.value for option in unified if isinstance(option, Literal)]
    return Member(value, tuple(dict.fromkeys(values)))


def _call(node: ast.Call, text: str, columns: Mapping[str, str]) -> Expression:
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise ExpressionError(f"{name}() takes plain arguments only")
    if name in AGGREGATES:
        raise ExpressionError(f"{name}() is an aggregate: write it under 'aggregates' of a step 'group'")
    if name in ("col", "date"):
        return _quoted(name, node.args, columns)
    arguments = tuple(_convert(argument, text, columns) for argument in node.args)
    if name in FUNCTIONS:
        types, result = FUNCTIONS[name]
        _count(name, arguments, len(types))
        typed = tuple(_typed(a, t, f"{name}()") for a, t in zip(arguments, types, strict=True))
        if name != "length" and result in (BOOLEAN, STRING):
            _constants(name, typed[1:])
        return Operation(name, typed, result)
    if name == "coalesce" and arguments:
        return _operation(name, _unify(arguments, "coalesce()"))
    if name == "null_if":
        _count(name, arguments, 2)
        return _operation(name, _unify(arguments, "null_if()"))
    if name in ("abs", "float"):
        _count(name, arguments, 1)
        if arguments[0].type not in (INTEGER, FLOAT):
            raise ExpressionError(f"{name}() of type {arguments[0].type}; expected a number")
        return Operation(name, arguments, FLOAT if name == "float" else arguments[0].type)
    raise ExpressionError(unknown("function", name, (*FUNCTIONS, *OTHER_FUNCTIONS)))


def _quoted(name: str, arguments: list[ast.expr], columns: Mapping[str, str]) -> Column | Literal:
    """Return the column of `col("a name")`, or the constant of `date("2024-01-31")`."""
    only = arguments[0] if len(arguments) == 1 else None
    if not (isinstance(only, ast.Constant) and isinstance(only.value, str)):
        raise ExpressionError(f"{name}() takes one text in quotes")
    if name == "col":
        return _named(only.value, columns)
    try:
        return Literal(date.fromisoformat(only.value), DATE)
    except ValueError:
        raise ExpressionError(f"date({only.value!r}) is not a date; write it as 2024-01-31") from None


def _constants(name: str, arguments: tuple[Expression, ...]) -> None:
    """Refuse arguments that vary by row or are out of range."""
    for argument in arguments:
        if not isinstance(argument, Literal) or argument.value is None:
            raise ExpressionError(f"{name}() takes constants after its first argument")
    if name == "substring":
        start, count = (a.value for a in arguments if isinstance(a, Literal))
        if not (isinstance(start, int) and isinstance(count, int) and start >= 1 and count >= 0):
            raise ExpressionError("substring() takes a start of at least 1 and a count of at least 0")


def _count(name: str, arguments: tuple[Expression, ...], wanted: int) -> None:
    if len(arguments) != wanted:
        raise ExpressionError(f"{name}() takes {wanted} argument{'s'[: wanted != 1]}, found {len(arguments)}")


def _aggregate(name: str, node: ast.expr, text: str, columns: Mapping[str, str]) -> Aggregate:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in AGGREGATES):
        raise ExpressionError(
            f"{ast.unparse(node)!r} is not one aggregate; expected one of {', '.join(AGGREGATES)} around it"
        )
    function = node.func.id
    where = None
    for keyword in node.keywords:
        if keyword.arg != "where" or where is not None:
            raise ExpressionError(f"{function}() takes one value and where=condition")
        where = _typed(_convert(keyword.value, text, columns), BOOLEAN, "where=")
    if len(node.args) != 1 and not (function == "count" and not node.args):
        raise ExpressionError(f"{function}() takes one value, found {len(node.args)}")
    argument = _with_type(_convert(node.args[0], text, columns), f"{function}()") if node.args else None
    kind = argument.type if argument else INTEGER
    if function in ("sum", "mean") and kind not in (INTEGER, FLOAT):
        raise ExpressionError(f"{function}() of type {kind}; expected a number")
    if function in ("min", "max") and kind == BOOLEAN:
        raise ExpressionError(f"{function}() of type boolean; write it as a count with where=")
    result = {"mean": FLOAT, "count": INTEGER, "count_distinct": INTEGER}.get(function, kind)
    return Aggregate(name, function, argument, where, result)


def _operation(operator: str, arguments: tuple[Expression, ...]) -> Operation:
    return Operation(operator, arguments, arguments[-1].type)


def _with_type(value: Expression, place: str) -> Expression:
    if value.type == NULL:
        raise ExpressionError(f"None alone has no type in {place}")
    return value


def _typed(value: Expression, wanted: str, place: str) -> Expression:
    if value.type == NULL:
        return Literal(None, wanted)
    if value.type != wanted:
        raise ExpressionError(f"{place} needs type {wanted}, found {value.type}")
    return value


def _unify(values: tuple[Expression, ...], place: str) -> tuple[Expression, ...]:
    """Give the values one type; null takes any, an integer becomes a float."""
    types = {value.type for value in values} - {NULL}
    if not types:
        raise ExpressionError(f"{place} of None only has no type")
    if types == {INTEGER, FLOAT}:
        types = {FLOAT}
    if len(types) > 1:
        raise ExpressionError(f"{place} mixes the types {' and '.join(sorted(types))}; expected one type")
    (kind,) = types
    return tuple(_as(value, kind) for value in values)


def _as(value: Expression, kind: str) -> Expression:
    if value.type == kind:
        return value
    if isinstance(value, Literal):
        number = value.value
        return Literal(float(number) if isinstance(number, int | float) else None, kind)
    return Operation("float", (value,), kind)
