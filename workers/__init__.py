"""Reactions to events: one file a domain. At least once, in order per key, safe to repeat."""

from workers import digests, fanout, graph, live_rooms, sessions, voice

MODULES = (digests, fanout, graph, live_rooms, sessions, voice)
