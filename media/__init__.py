"""Media files: what a file is, and how a sandboxed child process makes it small, clean and playable."""
