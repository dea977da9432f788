"""A code that opens something to whoever has it and no account: shown once and kept as a slow hash.

45 bits find the row, 130 more open it. The alphabet leaves out I, L, O and U, so that a code survives being written
down and read aloud.
"""

import hashlib
import hmac
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SELECTOR, _SECRET = 9, 26
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_NOTHING = (b"nothing to be opened", b"\0" * 32)


def new_code() -> str:
    """A code that nobody can guess, in groups of five."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_SELECTOR + _SECRET))
    return "-".join(letters[i : i + 5] for i in range(0, len(letters), 5))


def parts(code: str) -> tuple[str, str]:
    """What finds the row and what opens it. Anything may be typed; what is no code finds nothing."""
    letters = code.upper().translate(_READ_AS)
    return letters[:_SELECTOR], letters[_SELECTOR:]


def seal(secret: str) -> tuple[bytes, bytes]:
    """Salt and slow hash of the part that opens."""
    salt = secrets.token_bytes(16)
    return salt, _slow(secret, salt)


def opens(secret: str, sealed: tuple[bytes, bytes] | None) -> bool:
    """Whether a secret fits. Takes the same time when there is nothing to fit."""
    salt, expected = sealed or _NOTHING
    return hmac.compare_digest(_slow(secret, salt), expected) and sealed is not None


def _slow(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(errors="replace"), salt=salt, n=2**14, r=8, p=1, dklen=32)


def readable(selector: str) -> str:
    """The first part in a form that a database can be asked for, whatever was typed."""
    return selector.encode(errors="replace").decode().replace("\0", "")
