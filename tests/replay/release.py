"""Seal the histories of the release that goes out: `python -m tests.replay.release`. At a release only.

Incidents that began under a release run for months under later ones. So what it recorded must replay for ever, byte for
byte as it was recorded; `sealed.json` keeps the checksums. A release is sealed once.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

_FOLDER = Path(__file__).parent
_SEALED = _FOLDER / "sealed.json"


def sealed() -> dict[str, dict[str, str]]:
    """Every release that is out: its recorded files, with the SHA-256 of each."""
    found: dict[str, dict[str, str]] = json.loads(_SEALED.read_text())
    return found


def checksums(folder: Path) -> dict[str, str]:
    """The recorded files of one release as they are."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.json"))}


def differs(folder: Path, kept: dict[str, str]) -> list[str]:
    """What is no longer as it was when the release went out: changed, gone, or added afterwards."""
    now = checksums(folder)
    return sorted(name for name in now.keys() | kept.keys() if now.get(name) != kept.get(name))


if __name__ == "__main__":
    release, before = version("plumbline"), sealed()
    if release in before:
        sys.exit(f"{release} is sealed already")
    found = checksums(_FOLDER / "histories" / release)
    if not found:
        sys.exit(f"{release} has no histories: run `python -m tests.replay.record` first")
    _SEALED.write_text(json.dumps({**before, release: found}, indent=1) + "\n")
    print(f"{release}: {len(found)} histories are sealed")
