"""Names of the structs in the contract. Schemas refer to structs by name, so two structs must not share one."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect


class StructNames:
    """All structs of the contract, by name."""

    def __init__(self) -> None:
        self._structs: dict[str, type[msgspec.Struct]] = {}

    def add(self, message: type[msgspec.Struct]) -> None:
        """Add the struct and all structs inside it. Raises TypeError if a different struct has the same name."""
        for struct in _structs_in(inspect.type_info(message)):
            known = self._structs.setdefault(struct.__name__, struct)
            if known is not struct:
                raise TypeError(f"{known.__module__} and {struct.__module__} both declare a struct {struct.__name__}")


def _structs_in(kind: inspect.Type) -> Iterator[type[Any]]:
    match kind:
        case inspect.StructType():
            yield kind.cls
            for field in kind.fields:
                yield from _structs_in(field.type)
        case inspect.Metadata():
            yield from _structs_in(kind.type)
        case inspect.UnionType():
            for each in kind.types:
                yield from _structs_in(each)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _structs_in(kind.item_type)
        case inspect.TupleType():
            for each in kind.item_types:
                yield from _structs_in(each)
        case inspect.DictType():
            yield from _structs_in(kind.value_type)
