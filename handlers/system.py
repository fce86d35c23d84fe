"""The service itself: its time and its methods."""

from functools import cache

from handlers.call import Call
from protocol.rpc import NoArguments, methods
from protocol.schema import describe_methods
from protocol.system import MethodList, Pong
from protocol.timestamps import to_wire


@methods.rpc("system.ping", anonymous=True, reads=True, shed="vital")
def ping(call: Call, request: NoArguments) -> Pong:
    """The server's time."""
    return Pong(server_time=to_wire(call.services.now()))


@methods.rpc("system.methods", anonymous=True, reads=True)
def list_methods(call: Call, request: NoArguments) -> MethodList:
    """All methods with JSON Schemas of their requests and results."""
    return _described()


@cache
def _described() -> MethodList:
    return describe_methods(methods)
