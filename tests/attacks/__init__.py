"""Attacks: hostile frames and requests must cost little and leave nothing in memory."""
