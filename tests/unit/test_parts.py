"""What the parts of the local stack are given: secrets by environment, where only their own account can read them."""

import random
from pathlib import Path

from deploy.local import credentials, parts, ports
from deploy.local.state import Home


def test_no_secret_stands_in_a_command_which_everybody_on_the_machine_can_list(tmp_path: Path) -> None:
    home = Home(tmp_path)
    numbers = dict(zip(ports.PREFERRED, random.sample(range(20_000, 30_000), len(ports.PREFERRED)), strict=True))
    made = credentials.load(home, parts.role_names())
    secrets = {made.postgres_admin, *made.roles.values(), made.temporal_codec_keys, made.console_session_keys}
    given = parts.all_parts(home, numbers, made)
    assert sum(secret in str(part.env) for part in given for secret in secrets) > len(parts.SERVICES)
    for part in given:
        for word in part.command or ():
            assert not any(secret in word for secret in secrets), part.name


def test_only_its_owner_can_read_the_file_of_secrets(tmp_path: Path) -> None:
    home = Home(tmp_path)
    credentials.load(home, parts.role_names())
    assert home.secrets.stat().st_mode & 0o077 == 0
