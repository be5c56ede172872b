"""Make small wrong changes to a module's source: mutmut's operators that no type checker sees, and further ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

# what is no behaviour: types, imports, the wording of messages
KEPT = cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom | cst.Raise
TYPES = m.Name() | m.Attribute() | m.Subscript() | m.BinaryOperation(operator=m.BitOr())
ALIAS = m.Assign(value=TYPES) | m.Assign(value=m.Call(func=m.Name("TypeVar")))
DOCSTRING = m.Expr(value=m.SimpleString() | m.ConcatenatedString())
WARNING = m.Expr(value=m.Call(func=m.Attribute(attr=m.Name("warn"))))
NOTHING = cst.Pass()
# None in place of an argument or a value: mypy refuses it, and it tells nothing about tests
SEEN_BY_TYPES = (mutators.operator_arg_removal, mutators.operator_assignment)
OPERATORS = [pair for pair in mutators.mutation_operators if pair[1] not in SEEN_BY_TYPES]


@dataclass(frozen=True)
class Mutant:
    """One changed module.

    Attributes
    ----------
    line
        Where the change begins.
    change
        The code replaced and what replaces it.
    source
        The whole module.
    """

    line: int
    change: str
    source: str


def make_mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines; each differs from the others and from the source."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    positions = wrapper.resolve(PositionProvider)
    found: dict[str, Mutant] = {}
    for old, new in _changes(wrapper.module, 0):
        changed = wrapper.module.deep_replace(old, new)
        assert isinstance(changed, cst.Module)
        if changed.code != source:
            text = f"{_one_line(old)}  ->  {_one_line(new)}"
            found.setdefault(changed.code, Mutant(positions[old].start.line, text, changed.code))
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _changes(node: cst.CSTNode, depth: int) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """All replacements of a node and of the nodes in it."""
    if m.matches(node, DOCSTRING) or (depth < 3 and m.matches(node, ALIAS)):  # aliases stand in no function
        return
    if isinstance(node, cst.Raise) or m.matches(node, WARNING | m.Expr(value=m.Call()) | m.AugAssign()):
        yield node, NOTHING
    if isinstance(node, KEPT) or m.matches(node, WARNING):
        return
    for kind, operator in OPERATORS:
        if isinstance(node, kind):
            # of strings the first: in other letters they would be wrong in the same way
            yield from ((node, new) for new in islice(operator(node), 1 if kind is cst.BaseString else None))
    if isinstance(node, cst.Call):
        yield from ((node, node.with_changes(args=fewer)) for fewer in _fewer_arguments(node))
    if isinstance(node, cst.If):
        yield from ((node, node.with_changes(test=test)) for test in _forced(node.test))
    if isinstance(node, cst.Slice):
        yield from ((node, node.with_changes(**{end: None})) for end in ("lower", "upper") if getattr(node, end))
    for child in node.children:
        yield from _changes(child, depth + 1)


def _forced(test: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """Always false and always true; the condition is still computed, for its assignments and errors."""
    inner = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.BooleanOperation(inner, cst.And(), cst.Name("False"))
    yield cst.BooleanOperation(inner, cst.Or(), cst.Name("True"))


def _fewer_arguments(call: cst.Call) -> Iterator[list[cst.Arg]]:
    """Without one of the arguments that have a default, and without one side of min and max."""
    either = m.matches(call.func, m.Name("min") | m.Name("max")) and len(call.args) == 2
    for i, argument in enumerate(call.args):
        if either or argument.keyword:
            yield [*call.args[:i], *call.args[i + 1 :]]


def _one_line(node: cst.CSTNode) -> str:
    shown = node.test if isinstance(node, cst.If) else node
    return " ".join(cst.Module([]).code_for_node(shown).split())
