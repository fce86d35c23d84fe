"""Traces: which call causes what, in this process and in others; and reports of faults. Both cost little while off."""
