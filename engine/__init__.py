"""Sockets: Engine.IO over WebSocket and long polling, written to directly and bounded in both directions."""
