"""Who is where, and who is typing."""
