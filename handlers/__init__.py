"""What calls do: one file a domain. A handler checks, calls storage, returns or raises; it never sees a socket."""

from handlers import auth, circles, feed, graph, posts, system, users

MODULES = (auth, circles, feed, graph, posts, system, users)
