"""An evidence pack of the demonstration: built through the APIs, verified without the stack, and what is changed is named."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.e2e import stories
from tests.e2e.running import RunningStack


def verified(pack: Path, nowhere: Path) -> tuple[int, Any]:
    """`plumbline pack verify` with a state folder in which there is no stack."""
    command = [sys.executable, "-m", "deploy.local.cli", "--home", str(nowhere), "pack", "verify", str(pack), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


def changed(pack: Path, name: str, content: bytes) -> None:
    """The same pack with one file different."""
    with zipfile.ZipFile(pack) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(pack, "w") as archive:
        for each, was in files.items():
            archive.writestr(each, content if each == name else was)


def test_a_pack_of_the_demonstration(told: Any, stack: RunningStack, tmp_path: Path) -> None:
    _, evidence = told(stories.demonstration)
    pack = tmp_path / "pack.zip"
    done = stack.plumbline("pack", "build", "--demo", "--seed", "7", "--out", str(pack), "--json")
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    code, found = verified(pack, tmp_path / "nowhere")
    assert (code, found["faults"]) == (0, [])
    assert found["pack_id"] == built["pack_id"]

    with zipfile.ZipFile(pack) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert files["pack.pdf"].startswith(b"%PDF")
    assert {"index.html", "selection.json", "frameworks.json", "charts/incidents.svg"} <= set(files)
    played = {incident["id"] for incident in evidence["incidents"]}
    candidates = set(json.loads(files["selection.json"])["candidates"])
    assert candidates & played
    pages = {name: json.loads(content) for name, content in files.items() if name.startswith("records/")}
    assert len(pages) == built["incidents"] == min(5, len(candidates))
    for incident_id in (page["incident_id"] for page in pages.values()):
        assert f"audit/intake/{incident_id}.json" in files

    name = next(iter(pages))
    changed(pack, name, files[name][:-1] + bytes([files[name][-1] ^ 1]))
    code, found = verified(pack, tmp_path / "nowhere")
    assert code == 1
    assert [fault["file"] for fault in found["faults"]] == [name]

    name = next(name for name in files if name.startswith("audit/intake/"))
    entries = json.loads(files[name])
    entries[0]["actor_role"] = "director"
    changed(pack, name, json.dumps(entries, indent=1, ensure_ascii=False).encode())
    code, found = verified(pack, tmp_path / "nowhere")
    assert code == 1
    assert any(fault["file"] == name and "entry 1 was changed" in fault["what"] for fault in found["faults"])


def test_a_pack_of_one_incident_by_role(told: Any, stack: RunningStack, tmp_path: Path) -> None:
    _, evidence = told(stories.demonstration)
    incident = next(one["id"] for one in evidence["incidents"] if one["kind"] == "incident")
    shown = {}
    for role in ("quality_lead", "director"):
        pack = tmp_path / f"{role}.zip"
        done = stack.plumbline("pack", "build", "--incident", incident, "--as", role, "--out", str(pack))
        assert done.returncode == 0, done.stderr
        assert verified(pack, tmp_path / "nowhere")[0] == 0
        with zipfile.ZipFile(pack) as archive:
            shown[role] = json.loads(archive.read(f"records/incident-{incident}.json"))
    lead, director = shown["quality_lead"], shown["director"]
    assert lead["sections"]["Learning"] == ["One chart and a protected round do what reminding people did not."]
    assert "improved and sustained" in " ".join(lead["sections"]["Effect"])
    assert {"statement": "Medicines optimisation", "category": "Processes"} in lead["evidence_for"]
    assert lead["sections"]["What happened"][0] != director["sections"]["What happened"][0]
    assert "The reporter's own words are left out for this role." in director["withheld"]
    carer = stack.plumbline("pack", "build", "--incident", incident, "--as", "carer", "--out", str(tmp_path / "no.zip"))
    assert carer.returncode == 1
    assert "403" in carer.stderr
