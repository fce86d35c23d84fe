"""The client contract: messages, errors, the method table and the two codecs. It imports no other package of ours."""
