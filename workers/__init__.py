"""Reactions to events, one file a domain. Each runs at least once, in order per key, so each is safe to repeat."""

import pkgutil
from importlib import import_module

# Importing a module declares its reactions.
MODULES = tuple(import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
