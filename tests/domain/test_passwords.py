"""The queue before bcrypt."""

import asyncio

from domain.passwords import Passwords
from protocol.errors import CallError


async def test_many_attempts_at_one_account_leave_room_for_others():
    passwords = Passwords()
    flooded, other = await passwords.hash("one"), await passwords.hash("two")
    attempts = [asyncio.create_task(passwords.verify("one", flooded)) for _ in range(200)]
    attempts.append(asyncio.create_task(passwords.verify("two", other)))
    *flood, answer = await asyncio.gather(*attempts, return_exceptions=True)
    assert answer is True
    assert flood.count(True) == 4
    assert {each.code for each in flood if isinstance(each, CallError)} == {"RESOURCE_EXHAUSTED"}
    assert await passwords.verify("one", flooded)
    passwords.close()
