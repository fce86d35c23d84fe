"""The client contract: messages, errors, the method table and the two codecs. Imports nothing else of ours."""
