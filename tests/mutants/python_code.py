"""Mutants of Python code: cosmic-ray's operators, and those it lacks."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import (
    binary_operator_replacement,
    boolean_replacer,
    break_continue,
    comparison_operator_replacement,
    number_replacer,
    remove_decorator,
    unary_operator_replacement,
    zero_iteration_for_loop,
)
from cosmic_ray.operators.operator import Operator

from tests.mutants.mutant import Mutant

# Of each comparison its opposite and its neighbour, of each calculation one other: more would show the same.
COMPARISONS = (
    "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
    "Is_IsNot", "IsNot_Is",
)  # fmt: skip
CALCULATIONS = (
    "Add_Sub",
    "Sub_Add",
    "Mul_FloorDiv",
    "Div_Mul",
    "FloorDiv_Mul",
    "Mod_Add",
    "BitOr_BitAnd",
    "BitAnd_BitOr",
)


class _OfOurs(Operator):
    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class DropStatement(_OfOurs):
    """A statement that is there for its effect alone, or leaves the function, is left out."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "simple_stmt" and self._has_effect(node.children[0]) and not self._ends_anyway(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword("pass", node.start_pos, prefix)
        return node

    def _has_effect(self, statement: Any) -> bool:
        if statement.type == "expr_stmt":  # names alone would be missing further down
            return statement.children[0].type != "name" or (
                statement.children[1].type == "operator" and (statement.children[1].value != "=")
            )
        leaves = statement.type in ("raise_stmt", "return_stmt", "del_stmt") or statement == "continue"
        return leaves or statement.type in ("atom_expr", "power", "await_expr")

    def _ends_anyway(self, node: Any) -> bool:
        """`return None` at the end of a function."""
        is_last = (
            node.parent.type == "suite" and node.parent.parent.type == "funcdef" and node is node.parent.children[-1]
        )
        return is_last and node.get_code().split() in (["return"], ["return", "None"])


class DropOperand(_OfOurs):
    """One condition of several is left out."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type in ("and_test", "or_test"):
            for operand in node.children[::2]:
                yield operand.start_pos, operand.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        del node.children[max(2 * index - 1, 0) : 2 * index + (1 if index else 2)]
        node.get_first_leaf().prefix = prefix
        return node


class SwapIn(_OfOurs):
    """`in` becomes `not in`, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "comparison" and self._is_membership(node.children[1]):
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        becomes = "in" if node.children[1].type == "comp_op" else "not in"
        node.children[1] = parso.python.tree.Keyword(becomes, node.children[1].start_pos, " ")
        return node

    def _is_membership(self, operator: Any) -> bool:
        return operator.get_code().split() in (["in"], ["not", "in"])


class CatchNothing(_OfOurs):
    """What a handler was for goes on its way."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "except_clause":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.python.tree.Keyword("()", node.children[1].start_pos, " ")
        return node


class DropFilter(_OfOurs):
    """A comprehension takes all."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "comp_if":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.python.tree.Keyword("True", node.children[1].start_pos, " ")
        return node


class DropElement(_OfOurs):
    """A set has one element less."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        for element in self._elements(node)[::2]:
            yield element.start_pos, element.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        elements = self._elements(node)
        del elements[max(2 * index - 1, 0) : 2 * index + (1 if index else 2)]
        return node

    def _elements(self, node: Any) -> list[Any]:
        """With the commas between them."""
        if node.type != "atom" or node.children[0] != "{" or node.children[1].type != "dictorsetmaker":
            return []
        inside: list[Any] = node.children[1].children
        return inside if inside[1:2] == [","] else []


OPERATORS: tuple[Operator, ...] = (
    *(op() for op in comparison_operator_replacement.operators() if op.__name__.partition("_")[2] in COMPARISONS),
    *(op() for op in binary_operator_replacement.operators() if op.__name__.partition("_")[2] in CALCULATIONS),
    *(op() for op in unary_operator_replacement.operators() if op.__name__.endswith(("Delete_Not", "Delete_USub"))),
    boolean_replacer.AddNot(),
    boolean_replacer.ReplaceTrueWithFalse(),
    boolean_replacer.ReplaceFalseWithTrue(),
    boolean_replacer.ReplaceAndWithOr(),
    boolean_replacer.ReplaceOrWithAnd(),
    break_continue.ReplaceBreakWithContinue(),
    break_continue.ReplaceContinueWithBreak(),
    number_replacer.NumberReplacer(),
    remove_decorator.RemoveDecorator(),
    zero_iteration_for_loop.ZeroIterationForLoop(),
    DropStatement(),
    DropOperand(),
    SwapIn(),
    CatchNothing(),
    DropFilter(),
    DropElement(),
)
# Nobody is promised what is logged and counted.
NO_PROMISE = re.compile(r"log\.|[A-Z_]+\.(labels\(.*\)\.)?(inc|dec|set|observe)\(")


def mutants(module: str, path: Path) -> Iterator[Mutant]:
    code = path.read_text()
    nodes = list(ast_nodes(parso.parse(code)))
    for operator in OPERATORS:
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                if not (_is_annotation(node) or _is_no_promise(node)):
                    make = functools.partial(mutate_code, code, operator, occurrence)
                    yield Mutant(module, str(path), start[0], code, make)
                occurrence += 1


def _is_no_promise(node: Any) -> bool:
    statement = node if node.type == "simple_stmt" else node.search_ancestor("simple_stmt")
    return statement is not None and NO_PROMISE.match(statement.get_code(include_prefix=False)) is not None


def _is_annotation(node: Any) -> bool:
    while node.parent is not None:
        parent = node.parent
        if parent.type in ("param", "funcdef", "tfpdef") and node is getattr(parent, "annotation", None):
            return True
        if parent.type in ("annassign", "tfpdef") and node is parent.children[-1 if parent.type == "tfpdef" else 1]:
            return True
        node = parent
    return False
