"""Values written as Python writes them, read without evaluating code: fairseq's and s3prl's notation in settings."""

from __future__ import annotations

import ast
from typing import Any

from fairseq_budget.errors import ConfigError

LONGEST_TEXT = 2_000
MOST_ITEMS = 1_000
"""Of a list that a multiplication or a sum makes."""
LARGEST = 10**30


def read_literal(text: str) -> Any:
    """The value of a literal, or of sums and products of literals, such as ``[(512,10,5)] + [(512,3,2)] * 4``.

    Raises:
        ConfigError: anything else, and what would be long or large out of proportion.
    """
    try:
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"it has {len(text):,} characters")
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ConfigError(f"`{text[:80]}` must be a number, a text, or a list of them: {error}") from None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):
        return _combined(node.op, _value(node.left), _value(node.right))
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    return ast.literal_eval(node)


def _combined(operator: ast.operator, left: Any, right: Any) -> Any:
    match operator, left, right:
        case (ast.Add(), list(), list()) | (ast.Add(), tuple(), tuple()) if len(left) + len(right) <= MOST_ITEMS:
            return left + right
        case (ast.Mult(), list() | tuple(), int()) if len(left) * right <= MOST_ITEMS:
            return left * right
        case (ast.Mult(), int(), list() | tuple()):
            return _combined(operator, right, left)
        case (_, int() | float(), int() | float()) if max(abs(left), abs(right)) <= LARGEST:
            return _calculated(operator, left, right)
    raise ValueError(f"a sum or product of more than {MOST_ITEMS:,} items, or not one of numbers or of lists")


def _calculated(operator: ast.operator, left: float, right: float) -> float:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
    raise ValueError("numbers can be added, subtracted, multiplied and divided")
