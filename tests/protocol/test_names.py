"""Names of classes: one struct a name in the contract, no event named like a push, one class a name in our packages."""

import ast
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

import handlers
from protocol import posts
from protocol.events import EVENTS
from protocol.push_table import PUSHES
from protocol.pushes import Push
from protocol.rpc import MethodTable, NoArguments
from tests.gateway.test_package import folders


class Counts(msgspec.Struct):
    """Named like a struct deep inside `Post`."""


class Inner(msgspec.Struct):
    all: dict[str, tuple[list[Counts | None], ...]]


def post_with_counts(call, request: NoArguments) -> posts.Post: ...


def other_counts(call, request: NoArguments) -> Inner: ...


class FeedAdded(msgspec.Struct):
    """Named like a push."""


def answer_like_a_push(call, request: NoArguments) -> FeedAdded: ...


def test_two_structs_of_one_name_are_refused_where_the_second_is_declared():
    table = MethodTable()
    table.rpc("post.get")(post_with_counts)
    table.rpc("post.again")(post_with_counts)
    with pytest.raises(TypeError, match=r"protocol\.counts and tests\.protocol\.test_names both declare .* Counts"):
        table.rpc("counts.get")(other_counts)
    with pytest.raises(TypeError, match="both declare a struct FeedAdded"):
        table.rpc("feed.added")(answer_like_a_push)
    assert [method.name for method in table] == ["post.again", "post.get"]


def test_all_pushes_are_in_their_table():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind for kind in below(Push) if kind.__module__.startswith("protocol.")}  # tests declare others
    declared = {kind for kind in ours if hasattr(kind, "event")}
    assert declared == set(PUSHES.values()), "list the module in protocol/push_table.py"
    assert list(PUSHES) == sorted(push.event for push in declared)


def test_every_watch_can_be_ended():
    names = {method.name for method in handlers.methods}
    watches = {name for name in names if name.endswith(".watch")}
    assert {"post.watch", "presence.watch"} <= watches
    assert {name.replace(".watch", ".unwatch") for name in watches} - names == set(), "declare these methods, too"


def test_no_class_is_named_like_both_an_event_and_a_push():
    assert {event.__name__ for event in EVENTS.values()} & {push.__name__ for push in PUSHES.values()} == set()


def test_no_two_classes_of_our_packages_share_a_name():
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for folder in folders():
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    files[node.name].append(path)
    assert {"Post", "Node", "Roster"} <= files.keys()
    assert {name: paths for name, paths in files.items() if len(paths) > 1} == {}
