"""Reactions to events, one file a domain. Each runs at least once, in order per key, so each is safe to repeat."""

from workers import digests, fanout, graph, live_rooms, sessions, voice

MODULES = (digests, fanout, graph, live_rooms, sessions, voice)
