"""Presence: who is online, and who is typing."""
