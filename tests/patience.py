"""How long tests wait for what must come: as long as a slow machine may take, for no test is about a time."""

WAIT_S = 30.0
