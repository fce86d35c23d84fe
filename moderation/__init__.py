"""Rules that run before publishing: their input, their language, and their outcomes."""
