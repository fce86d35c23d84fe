"""How long tests wait for something that must happen: long enough for a slow machine. No test asserts a duration."""

WAIT_S = 30.0
