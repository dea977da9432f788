"""Make the secrets of one installation by Docker Compose: `python3 deploy/compose/make_secrets.py > deploy/compose/.env`.

Standard library only, so that the host needs nothing else. Made once: a second run makes others, which fit no data that
is there already.
"""

import base64
import os
import secrets
import sys

SERVICES = ("directory", "intake", "review", "actions", "reporting")


def variables() -> dict[str, str]:
    """What `compose.yaml` asks for, each anew. Passwords are safe in a URL."""
    names = ["POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "KEYCLOAK_PASSWORD"]
    for service in SERVICES:
        names += [f"{service.upper()}_PASSWORD", f"{service.upper()}_SYSTEM_PASSWORD"]
    return {
        **{name: secrets.token_urlsafe(24) for name in names},
        "TEMPORAL_CODEC_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "CONSOLE_SESSION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def main() -> int:
    """Print them, but not onto a terminal, where they would stay in its history."""
    if sys.stdout.isatty():
        sys.stderr.write("secrets are not shown: send them to a file, for example > deploy/compose/.env\n")
        return 1
    os.fchmod(sys.stdout.fileno(), 0o600)
    sys.stdout.writelines(f"{name}={value}\n" for name, value in variables().items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
