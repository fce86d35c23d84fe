"""Rate limits in force: what methods declare and settings add, unless `DAIRA_LIMIT_*` says otherwise."""

from typing import NamedTuple

import handlers
from gateway.settings import Settings, SettingsError
from protocol.limits import Limit
from protocol.rpc import methods

assert handlers.MODULES  # importing them declares the methods

OF_SETTINGS = ("connect", "calls", "work", "handshake")


class LimitInForce(NamedTuple):
    limit: Limit
    methods: list[str]  # all writes that name no other limit share one; empty for limits of connections
    rate: str


def in_force(settings: Settings) -> list[LimitInForce]:
    """All limits. Raises SettingsError for a DAIRA_LIMIT_* that there is not."""
    declared = {limit.name: limit for limit in methods.limits}
    unknown = settings.limit.keys() - declared.keys()
    if unknown:
        names = ", ".join(f"DAIRA_LIMIT_{name.upper()}" for name in sorted(unknown))
        raise SettingsError(f"no limit belongs to {names}: `daira limits` lists those that there are")
    return [
        *(_of_settings(settings, name) for name in OF_SETTINGS),
        *(
            LimitInForce(limit, _counted_in(limit), settings.limit.get(limit.name, limit.rate))
            for limit in declared.values()
        ),
    ]


def rates(settings: Settings) -> dict[str, str]:
    """Limit → rate. Raises what `in_force` does."""
    return {each.limit.name: each.rate for each in in_force(settings)}


def _of_settings(settings: Settings, name: str) -> LimitInForce:
    field = Settings.model_fields[f"limit_{name}"]
    limit = Limit(name, field.default, field.description or "")
    return LimitInForce(limit, [], getattr(settings, f"limit_{name}"))


def _counted_in(limit: Limit) -> list[str]:
    return [method.name for method in methods if limit == method.limit or limit in method.counts]
