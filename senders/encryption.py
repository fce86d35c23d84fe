"""Keys on the curve P-256, and the encryption of web pushes: RFC 8291 over RFC 8188 (aes128gcm).

Push services cannot read what they carry.
"""

import os

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

RECORD_SIZE = 4_096
OVERHEAD = 103  # bytes: a header of 86, a delimiter, a tag of 16
LARGEST = RECORD_SIZE - OVERHEAD  # push services accept 4,096 bytes


def encrypt(
    plain: bytes,
    browser: EllipticCurvePublicKey,
    auth: bytes,
    salt: bytes | None = None,
    private: EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Return the body of a request. Tests give salt and key, which are random otherwise."""
    salt = salt or os.urandom(16)
    private = private or generate_private_key(SECP256R1())
    ours, theirs = raw_point(private.public_key()), raw_point(browser)
    secret = _derive(auth, private.exchange(ECDH(), browser), b"WebPush: info\0" + theirs + ours, 32)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, plain + b"\x02", None)


def read_private_key(pem: str) -> EllipticCurvePrivateKey:
    """Raises ValueError for a key that is not on P-256, the curve of Apple's tokens and of VAPID."""
    private = load_pem_private_key(pem.encode(), None)
    if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(private.curve, SECP256R1):
        raise ValueError("not a key on P-256")
    return private


def raw_point(key: EllipticCurvePublicKey) -> bytes:
    """Return the key as an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
