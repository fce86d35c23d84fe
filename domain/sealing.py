"""Secrets that we must read again, encrypted at rest: AES-256-GCM, under keys with ids so that they can rotate."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """The key is missing, or the bytes belong to something else."""


class Sealing:
    """keys: id → secret. The first one seals, all unseal."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._ciphers = {
            key_id: AESGCM(hmac.new(secret.encode(), b"sealing", hashlib.sha256).digest())
            for key_id, secret in keys.items()
        }
        self._first = next(iter(self._ciphers))

    def seal(self, secret: bytes, owner: str) -> bytes:
        """owner: whose it is and what for. Only with the same text can it be unsealed."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._first.encode() + b"\0" + nonce + self._ciphers[self._first].encrypt(nonce, secret, owner.encode())

    def unseal(self, sealed: bytes, owner: str) -> bytes:
        """Raises CannotUnseal."""
        key_id, rest = key_id_of(sealed), sealed.partition(b"\0")[2]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotUnseal(f"no key has the id {key_id!r}")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], owner.encode())
        except InvalidTag:
            raise CannotUnseal(f"it was not sealed for {owner}") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it."""
        return key_id_of(sealed) == self._first


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed it."""
    return sealed.partition(b"\0")[0].decode(errors="replace")
