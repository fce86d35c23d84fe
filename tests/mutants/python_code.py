"""Mutants of Python code: one token or one part of the syntax tree is replaced.

The operators are those of cosmic-ray and a few more. The package itself cannot be locked: two of its dependencies would
have to be built from source.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import parso

from tests.mutants.mutant import Mutant

# Each comparison becomes its opposite and its neighbour, each calculation one other; more would show nothing new.
COMPARISONS = {
    "==": ("!=",), "!=": ("==",), "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "is": ("is not",),
}  # fmt: skip
CALCULATIONS = {
    "+": ("-",), "-": ("+",), "*": ("//",), "/": ("*",), "//": ("*",), "%": ("+",), "|": ("&",), "&": ("|",),
}  # fmt: skip
CALCULATED = ("arith_expr", "term", "expr", "and_expr")


class Operator:
    """Changes one kind of node; the same node may be changed in several ways."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Yield start and end, as lines and columns, of each possible change."""
        raise NotImplementedError

    def mutate(self, node: Any, index: int) -> Any:
        """Return the node after the change with that index."""
        raise NotImplementedError


class ReplaceToken(Operator):
    """Replaces a token, within nodes of the given types."""

    def __init__(self, becomes: Mapping[str, tuple[str, ...]], within: tuple[str, ...] = ()) -> None:
        self._becomes = becomes
        self._within = within

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if not hasattr(node, "children") and (not self._within or node.parent.type in self._within):
            for _ in self._becomes.get(node.value, ()):
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.value = self._becomes[node.value][index]
        return node


class ReplaceNumber(Operator):
    """Adds 1 to a number, or subtracts 1."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "number":
            yield from [(node.start_pos, node.end_pos)] * 2

    def mutate(self, node: Any, index: int) -> Any:
        number = float(node.value) if "." in node.value else int(node.value.replace("_", ""), 0)
        node.value = str(number + (1, -1)[index])
        return node


class ReplaceChild(Operator):
    """Replaces a part of a node with a text; `{}` in it is the original part."""

    def __init__(self, types: tuple[str, ...], child: int, becomes: str) -> None:
        self._types = types
        self._child = child
        self._becomes = becomes

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type in self._types:
            yield node.children[self._child].start_pos, node.children[self._child].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        was = node.children[self._child]
        text = self._becomes.format(was.get_code(include_prefix=False))
        node.children[self._child] = parso.python.tree.Keyword(text, was.start_pos, " ")
        return node


class DropUnary(Operator):
    """Turns `not x` and `-x` into `x`, and `is not` into `is`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        is_unary = node.type == "not_test" or (node.type == "factor" and node.children[0] == "-")
        if is_unary or (node.type == "comp_op" and node.children[0] == "is"):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        kept = node.children[0 if node.type == "comp_op" else 1]
        kept.get_first_leaf().prefix = node.get_first_leaf().prefix
        return kept


class DropDecorator(Operator):
    """Removes a decorator, except of a Protocol's method, whose body never runs."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "decorator" and not node.parent.get_code().rstrip().endswith(": ..."):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.python.tree.Keyword("", node.start_pos, "")


class DropStatement(Operator):
    """Removes a statement that has only an effect, or that leaves the function."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "simple_stmt" and self._has_effect(node.children[0]) and not self._ends_anyway(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword("pass", node.start_pos, prefix)
        return node

    def _has_effect(self, statement: Any) -> bool:
        if statement.type == "expr_stmt":  # not plain names: later code would miss them
            return statement.children[0].type != "name" or (
                statement.children[1].type == "operator" and (statement.children[1].value != "=")
            )
        leaves = statement.type in ("raise_stmt", "return_stmt", "del_stmt") or statement == "continue"
        return leaves or statement.type in ("atom_expr", "power", "await_expr")

    def _ends_anyway(self, node: Any) -> bool:
        """Whether it is a `return None` at the end of a function."""
        is_last = (
            node.parent.type == "suite" and node.parent.parent.type == "funcdef" and node is node.parent.children[-1]
        )
        return is_last and node.get_code().split() in (["return"], ["return", "None"])


class DropOperand(Operator):
    """Removes one of several conditions."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type in ("and_test", "or_test"):
            for operand in node.children[::2]:
                yield operand.start_pos, operand.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        del node.children[max(2 * index - 1, 0) : 2 * index + (1 if index else 2)]
        node.get_first_leaf().prefix = prefix
        return node


class SwapIn(Operator):
    """Turns `in` into `not in`, and `not in` into `in`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "comparison" and self._is_membership(node.children[1]):
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        becomes = "in" if node.children[1].type == "comp_op" else "not in"
        node.children[1] = parso.python.tree.Keyword(becomes, node.children[1].start_pos, " ")
        return node

    def _is_membership(self, operator: Any) -> bool:
        return operator.get_code().split() in (["in"], ["not", "in"])


class CatchNothing(Operator):
    """Lets an `except` clause re-raise instead of handling the exception."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "except_clause":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.python.tree.Keyword("()", node.children[1].start_pos, " ")
        return node


class DropFilter(Operator):
    """Removes a comprehension's condition."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "comp_if":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.python.tree.Keyword("True", node.children[1].start_pos, " ")
        return node


class DropElement(Operator):
    """Removes an element of a set."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        for element in self._elements(node)[::2]:
            yield element.start_pos, element.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        elements = self._elements(node)
        del elements[max(2 * index - 1, 0) : 2 * index + (1 if index else 2)]
        return node

    def _elements(self, node: Any) -> list[Any]:
        """Return the elements with the commas between them."""
        if node.type != "atom" or node.children[0] != "{" or node.children[1].type != "dictorsetmaker":
            return []
        inside: list[Any] = node.children[1].children
        return inside if inside[1:2] == [","] else []


OPERATORS: tuple[Operator, ...] = (
    ReplaceToken(COMPARISONS, ("comparison",)),
    ReplaceToken(CALCULATIONS, CALCULATED),
    ReplaceToken({"and": ("or",), "or": ("and",)}, ("and_test", "or_test")),
    ReplaceToken({"True": ("False",), "False": ("True",), "break": ("continue",), "continue": ("break",)}),
    ReplaceNumber(),
    ReplaceChild(("if_stmt", "while_stmt", "assert_stmt"), 1, "not ({})"),
    ReplaceChild(("ternary",), 2, "not ({})"),
    ReplaceChild(("for_stmt",), 3, "[]"),
    DropUnary(),
    DropDecorator(),
    DropStatement(),
    DropOperand(),
    SwapIn(),
    CatchNothing(),
    DropFilter(),
    DropElement(),
)
# Logs and metrics are not promised, so they are not mutated.
NO_PROMISE = re.compile(r"log\.|[A-Z_]+\.(labels\(.*\)\.)?(inc|dec|set|observe)\(")


def mutants(module: str, path: Path) -> Iterator[Mutant]:
    code = path.read_text()
    nodes = list(_nodes(parso.parse(code)))
    for operator in OPERATORS:
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                if not (_is_annotation(node) or _is_no_promise(node)):
                    make = functools.partial(_mutated, code, operator, occurrence)
                    yield Mutant(module, str(path), start[0], code, make)
                occurrence += 1


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


def _mutated(code: str, operator: Operator, occurrence: int) -> str:
    """Return the code with the operator applied to that occurrence."""
    tree = parso.parse(code)
    for node in list(_nodes(tree)):
        ways = len(list(operator.mutation_positions(node)))
        if occurrence < ways:
            siblings = node.parent.children
            siblings[siblings.index(node)] = operator.mutate(node, occurrence)
            return str(tree.get_code())
        occurrence -= ways
    raise LookupError(occurrence)


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
