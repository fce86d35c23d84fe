"""Time-based one-time passwords (RFC 6238), as authenticator apps make them: 6 digits, 30 s, SHA-1."""

import hmac
from datetime import datetime

import pyotp

STEP_S = 30
ISSUER = "DAIRA"


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def uri_of(secret: str, account: str) -> str:
    """Return the URI that apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime, after: int) -> int | None:
    """Return the number of the 30 seconds whose code it is: the present ones, or those beside them.

    None for a wrong code, and for one whose step is not later than `after`: each step is accepted once.
    """
    current = int(now.timestamp()) // STEP_S
    totp = pyotp.TOTP(secret)
    found = [step for step in (current, current - 1, current + 1) if _is_code(totp, step, code)]
    return next((step for step in found if step > after), None)


def _is_code(totp: pyotp.TOTP, step: int, code: str) -> bool:
    return hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
