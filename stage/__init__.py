"""Live rooms: who is inside now, their turns on the stage, and voice."""
