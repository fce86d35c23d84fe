"""What attackers try: each frame and each request is cheap, and leaves nothing behind."""
