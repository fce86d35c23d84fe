"""Copies the objects of a file inside the store."""

import asyncio

from storage.objects import Objects

AT_ONCE = 16


async def copy_below(objects: Objects, key: str, to: str, *, but: str | None = None) -> None:
    """Copy all objects whose keys begin with `key`, except the one of that name.

    Raises NoSuchObject, ObjectsUnavailable.
    """
    after = key
    while found := await objects.page(key, after):
        after = found[-1].key
        names = [name for each in found if (name := each.key.removeprefix(key)) != but]
        for start in range(0, len(names), AT_ONCE):
            copying = (objects.copy(key + name, to + name) for name in names[start : start + AT_ONCE])
            # All have ended before one is raised: nothing is copied after what is deleted then.
            for outcome in await asyncio.gather(*copying, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
