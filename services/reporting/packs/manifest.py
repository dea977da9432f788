"""The files of a pack and their hashes: whether a pack is as it was built, and if not, what is different."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.runtime import audit

MANIFEST = "manifest.json"
FORMAT = "plumbline-pack-1"
_AUDIT = "audit/"
_LARGEST = 200_000_000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same content is the same file


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was built: the file, for an audit chain also the entry, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True)
class Checked:
    """What a check of a pack found."""

    pack_id: str | None
    manifest: Mapping[str, Any]
    files: int
    chains: int
    entries: int
    faults: tuple[Fault, ...]


def canonical(value: Any) -> bytes:
    """JSON in the one form that hashes are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pack_id(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of the manifest without its own id: whoever has it can tell this pack from any other."""
    return hashlib.sha256(canonical({k: v for k, v in manifest.items() if k != "pack_id"})).hexdigest()


def write(about: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The pack as a ZIP, and its id."""
    listed = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for path, content in sorted(files.items())
    ]
    manifest = {**about, "format": FORMAT, "files": listed}
    manifest["pack_id"] = pack_id(manifest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {MANIFEST: _text(manifest), **dict(sorted(files.items()))}.items():
            archive.writestr(zipfile.ZipInfo(path, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return out.getvalue(), manifest["pack_id"]


def check(pack: bytes) -> Checked:
    """Compare a pack with its manifest, and verify every audit chain in it. Needs nothing but the file."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(pack))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        return _unreadable(f"cannot be opened as a ZIP: {error}")
    with archive:
        infos = archive.infolist()
        present = {info.filename: info for info in infos}
        try:
            text = _content(archive, present[MANIFEST])
            manifest = json.loads(text)
            listed = {one["path"]: (one["sha256"], one["size"]) for one in manifest["files"]}
            said = str(manifest["pack_id"])
        except (KeyError, TypeError, ValueError) as error:
            return _unreadable(f"is missing or cannot be read: {error}")
        faults = []
        if pack_id(manifest) != said or _text(manifest) != text:
            faults.append(Fault(MANIFEST, "was changed: it does not have the id that it says"))
        if manifest.get("format") != FORMAT:
            faults.append(Fault(MANIFEST, f"is not of the format {FORMAT}"))
        faults += [Fault(name, "is there twice") for name in sorted(present) if _count(infos, name) > 1]
        faults += [
            Fault(name, "was added: the manifest does not list it")
            for name in sorted(present.keys() - listed.keys() - {MANIFEST})
        ]
        chains = entries = 0
        for name, (sha256, size) in sorted(listed.items()):
            if name not in present:
                faults.append(Fault(name, "was removed: the manifest lists it"))
                continue
            try:
                content = _content(archive, present[name])
            except ValueError as error:
                faults.append(Fault(name, f"was changed: {error}"))
                continue
            if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
                faults.append(Fault(name, "was changed: its SHA-256 is not that of the manifest"))
            if name.startswith(_AUDIT):
                length, wrong = _chain(content)
                chains, entries = chains + 1, entries + length
                if wrong:
                    faults.append(Fault(name, wrong))
    return Checked(said, manifest, len(listed), chains, entries, tuple(faults))


def _text(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _unreadable(why: str) -> Checked:
    return Checked(None, {}, 0, 0, 0, (Fault(MANIFEST, why),))


def _count(infos: list[zipfile.ZipInfo], name: str) -> int:
    return sum(1 for info in infos if info.filename == name)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Raises ValueError for what cannot be read, whichever way it is broken."""
    if info.file_size > _LARGEST:
        raise ValueError("it is larger than any file of a pack")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it cannot be read ({error})") from None


def _chain(content: bytes) -> tuple[int, str | None]:
    try:
        entries = json.loads(content)
        return len(entries), audit.verify(entries)
    except (KeyError, TypeError, ValueError) as error:
        return 0, f"cannot be read as an audit chain ({error})"
