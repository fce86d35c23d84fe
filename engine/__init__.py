"""Sockets: Engine.IO over WebSocket and long polling, with bounded input and output."""
