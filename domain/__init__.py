"""Rules that decide and compute, one file a subject. Handlers, workers and the gateway ask them.

They know no calls, no jobs and no channels. Most are pure functions of rows; some read what they decide on.
"""
