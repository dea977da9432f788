"""`plumbline directory import` and `plumbline incidents import`: real files into the running stack, through its APIs."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from deploy.local import tokens
from deploy.local.incident_file import Incident, Rejection, count_lines, read_incidents, read_mapping
from deploy.local.people import Refused
from deploy.local.state import Stack, StackError
from services.contracts import identity

directory = typer.Typer(
    add_completion=False, help="The register of providers, locations and people.", no_args_is_help=True
)
incidents = typer.Typer(add_completion=False, help="Incidents.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SourceFile = Annotated[Path, typer.Argument(help="The file to import.")]

_BATCH_ROWS = 2_000
_BATCH_BYTES = 16_000_000
"""Well below what intake takes in one request."""
_PATIENCE_SECONDS = 300.0
_SHOWN = 50


@directory.callback()
@incidents.callback()
def _group() -> None:
    """Keeps `import` a word of its own while it is the only command of its group."""


@directory.command("import")
def import_directory(file: SourceFile, as_json: AsJson = False) -> None:
    """Import CQC's care directory: the CSV file that the regulator publishes each month.

    Bad rows are refused line by line and the others come in, all in one go. Importing a file twice changes nothing.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StackError(f"{file} cannot be read: {error.strerror}") from None
    with _Api() as api, Console(stderr=True).status(f"importing {escape(file.name)}"):
        response = api.post("directory", "/imports/cqc-directory", content, "text/csv")
    if response.is_error:
        raise Refused(response)
    _print(response.json(), as_json=as_json)


@incidents.command("import")
def import_incidents(
    file: SourceFile,
    mapping: Annotated[Path, typer.Option(help="What the columns mean: see docs/import.md.")],
    source: Annotated[str, typer.Option(help="Where the incidents come from, for example datix-2025.")],
    provider: Annotated[
        str | None,
        typer.Option(help="Whose they are: provider id or CQC provider id. The demonstration's if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import historical incidents from CSV or JSON Lines. Closed ones start no process.

    An incident is known by its reference and the source. So the same command takes up again what was cut short, and
    changes nothing of what is there.
    """
    if not 1 <= len(source) <= 100:
        raise StackError("--source must have 1 to 100 characters")
    rules = read_mapping(mapping)
    lines = count_lines(file)
    result = _Result()
    with _Api(provider) as api, Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("importing", total=lines)
        for batch in _batches(read_incidents(file, rules, api.locations()), result):
            _send(api, source, batch, result)
            progress.update(task, completed=batch[-1].line)
        progress.update(task, completed=lines)
    result.rejections.sort(key=lambda rejection: rejection.line)
    _print({**asdict(result), "rejected": len(result.rejections)}, as_json=as_json)


@dataclass
class _Result:
    created: int = 0
    unchanged: int = 0
    rejections: list[Rejection] = field(default_factory=list)


def _batches(rows: Iterator[Incident | Rejection], result: _Result) -> Iterator[list[Incident]]:
    """Good rows in batches that a request can carry; refused ones go to the result."""
    batch: list[Incident] = []
    held = 0
    for row in rows:
        if isinstance(row, Rejection):
            result.rejections.append(row)
            continue
        batch.append(row)
        held += len(_encoded(row.fields))
        if len(batch) == _BATCH_ROWS or held >= _BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _send(api: "_Api", source: str, batch: Sequence[Incident], result: _Result) -> None:
    """Send one batch. Rows that intake finds malformed are taken out by what it says, and the others sent again."""
    while batch:
        body = _encoded({"source": source, "incidents": [row.fields for row in batch]})
        response = api.post("intake", "/incident-imports", body, "application/json")
        if not response.is_error:
            break
        malformed = _malformed(response, batch)
        if not malformed:
            raise Refused(response)
        result.rejections += malformed.values()
        batch = [row for row in batch if row.line not in malformed]
    else:
        return
    answer = response.json()
    result.created += answer["created"]
    result.unchanged += answer["unchanged"]
    lines = {row.fields["source_ref"]: row.line for row in batch}
    for source_ref, problem in answer["rejected"].items():
        named, _, sentence = problem.partition(": ")
        reason, _, remedy = sentence.partition(". ")
        result.rejections.append(Rejection(lines[source_ref], named, reason, remedy))


def _malformed(response: httpx.Response, batch: Sequence[Incident]) -> dict[int, Rejection]:
    """The rows that a refusal is about, by line. Its fields look like `incidents.17.narrative`."""
    found: dict[int, Rejection] = {}
    for error in response.json().get("errors", []) if response.status_code == 422 else []:
        where, _, rest = error["field"].partition(".")
        number, _, name = rest.partition(".")
        if where == "incidents" and number.isdigit() and int(number) < len(batch):
            line = batch[int(number)].line
            found.setdefault(line, Rejection(line, name, error["message"], error["remedy"]))
    return found


def _encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class _Api:
    """The services of the running stack, called as an administrator: the one place that knows addresses and tokens."""

    def __init__(self, provider: str | None = None) -> None:
        self._stack = Stack.load()
        self._persona = tokens.persona("platform_admin")
        if provider is not None:
            self._persona = replace(self._persona, provider_id=_provider_id(provider))
        self._http = httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False)
        self._run, self._number = uuid.uuid4(), count(1)

    def __enter__(self) -> "_Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, service: str, path: str, body: bytes, media_type: str) -> httpx.Response:
        """Send once, and with the same key again while the service is away.

        A key belongs to this run: a later run must hear what it changed itself, not what an earlier one did.
        """
        headers = {"Content-Type": media_type, "Idempotency-Key": f"{self._run}-{next(self._number)}"}
        return self._call("POST", service, path, content=body, headers=headers)

    def locations(self) -> dict[str, uuid.UUID]:
        """The provider's locations by CQC id and by our own."""
        found: dict[str, uuid.UUID] = {}
        page: dict[str, Any] = {}
        while not page or page["next"]:
            query = {"limit": 200} | ({"cursor": page["next"]} if page else {})
            response = self._call("GET", "directory", "/locations", params=query)
            if response.is_error:
                raise Refused(response)
            page = response.json()
            for location in page["items"]:
                location_id = uuid.UUID(location["location_id"])
                found[location["cqc_location_id"]] = found[str(location_id)] = location_id
        if not found:
            raise StackError(
                "this provider has no locations yet: run 'plumbline directory import' first, or name another provider"
                " with --provider"
            )
        return found

    def _call(self, method: str, service: str, path: str, **arguments: Any) -> httpx.Response:
        token = tokens.issue_token(self._stack, self._persona)
        headers = {**arguments.pop("headers", {}), "Authorization": f"Bearer {token}"}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                response = self._http.request(method, self._stack.url(service) + path, headers=headers, **arguments)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    return response
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{service} does not answer: see 'plumbline status', then run this again"
                    ) from None
            time.sleep(1)


def _provider_id(given: str) -> uuid.UUID:
    try:
        return uuid.UUID(given)
    except ValueError:
        return identity.provider_id(given.strip())


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
        return
    console = Console()
    counts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("created", "updated", "unchanged", "rejected"):
        if name in result:
            counts.add_row(name, f"{result[name]:,}")
    console.print(counts)
    if result["rejections"]:
        rejections = Table("line", "field", "reason", "remedy", title="rejected", title_justify="left")
        for row in result["rejections"][:_SHOWN]:
            rejections.add_row(str(row["line"]), *(escape(row[name]) for name in ("field", "reason", "remedy")))
        console.print(rejections)
    if len(result["rejections"]) > _SHOWN:
        console.print(f"and {len(result['rejections']) - _SHOWN:,} more: --json prints them all")
