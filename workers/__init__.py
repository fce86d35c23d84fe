"""Reactions to events: one file a domain. At least once, in order per key, safe to repeat."""

from workers import fanout, graph, sessions

MODULES = (fanout, graph, sessions)
