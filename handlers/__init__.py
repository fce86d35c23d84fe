"""Handlers of calls, one file a domain. A handler checks, calls storage, and returns or raises; it sees no socket."""

import pkgutil
from importlib import import_module

from protocol.rpc import methods

__all__ = ["MODULES", "methods"]

# Importing a module declares its methods.
MODULES = tuple(import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
