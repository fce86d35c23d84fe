"""Live rooms: who may do what on the stage, and who is in the room now."""
