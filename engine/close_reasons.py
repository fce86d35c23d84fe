"""Why a node closes a socket: every reason, and whether official clients reconnect by themselves afterwards.

The reason is not sent to clients. It is the label of `daira_sockets_closed_total`.
"""

from enum import Enum


class CloseReason(Enum):
    """`label` names the reason in metrics and logs; `when` says when it is used.

    `reconnects`: official clients reconnect by themselves. They do whenever the transport ends without DISCONNECT.
    """

    NO_CONNECT = "no_connect", True, "the client did not send CONNECT within 10 s"
    HANDSHAKE = "handshake", True, "the HTTP request that opens the socket was cut short"
    LIMIT = "limit", True, "too many anonymous connections from one address"
    TOO_MANY_SOCKETS = "too_many_sockets", True, "the session has 20 sockets on this node already"
    DEPENDENCY = "dependency", True, "PostgreSQL or Redis did not answer while the client connected"
    DRAINING = "draining", True, "the node stops; the client reconnects to another one"
    SUPERSEDED = "superseded", True, "the client has reconnected on another socket and recovered there"
    SLOW = "slow", True, "the client reads too slowly: more than 1 MiB is unread, or it does not catch up"
    PING_TIMEOUT = "ping_timeout", True, "the client did not answer a ping in time"
    FLOOD = "flood", True, "the client sends more than it may, or goes on after many refusals"
    PROTOCOL = "protocol", True, "the client breaks the rules of WebSocket or Engine.IO"
    UNREADABLE = "unreadable", True, "a packet or a polling payload cannot be decoded, or is not allowed in this state"
    TWO_POLLS = "two_polls", True, "a second GET came while one was waiting"
    POLL_FAILED = "poll_failed", True, "a waiting GET was cancelled, or could not be answered"
    BROKEN = "broken", True, "a fault of the node; the log has it"
    ANONYMOUS = "anonymous", True, "nobody signed in within 10 minutes"
    CLIENT = "client", False, "the client left: it sent DISCONNECT, or CLOSE of Engine.IO"
    LOGOUT = "logout", False, "`auth.logout` ended the session; DISCONNECT is sent"
    REVOKED = "revoked", False, "the session was revoked; `session.revoked` and DISCONNECT are sent"
    SUSPENDED = "suspended", False, "the account was suspended; `session.revoked` and DISCONNECT are sent"
    BANNED = "banned", False, "the account was banned; `session.revoked` and DISCONNECT are sent"
    EXPIRED = (
        "expired",
        False,
        "the access token expired, or the suspension ended; `session.expired` and DISCONNECT are sent",
    )

    def __init__(self, label: str, reconnects: bool, when: str) -> None:
        self.label = label
        self.reconnects = reconnects
        self.when = when
