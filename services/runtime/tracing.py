"""Traces, from a request through outbox, broker and process to what follows: off, and free, unless somebody wants them.

`OTEL_EXPORTER_OTLP_ENDPOINT` turns them on; the other `OTEL_*` variables of the SDK hold too, `OTEL_TRACES_SAMPLER` for
one. Spans carry names of routes, types and opaque ids: no address, no body, no message of an exception.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.runtime.metrics import App, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_W3C = TraceContextTextMapPropagator()
_tracer: trace.Tracer | None = None


def configure(service: str) -> None:
    """Export the traces of this process if the environment names where to; else do nothing."""
    if os.environ.get(ENDPOINT):
        # Only here: the SDK takes time and memory that a process without traces should not spend.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        begin(service, BatchSpanProcessor(OTLPSpanExporter()))


def begin(service: str, processor: "SpanProcessor") -> None:
    """Trace from here on, as `service`, and give each span to the processor."""
    global _tracer
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"plumbline-{service}"}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("plumbline")


def end() -> None:
    """Trace no more."""
    global _tracer
    _tracer = None


def tracer() -> trace.Tracer | None:
    """What spans are made with; None while nobody wants them."""
    return _tracer


def traceparent() -> str | None:
    """The current span as W3C's `traceparent`, to be carried along; None without one."""
    if _tracer is None:
        return None
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    """The current trace as logs name it; None without one."""
    if _tracer is None:
        return None
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


@contextmanager
def continued(name: str, carried: str | None, **attributes: str) -> Iterator[None]:
    """A span for what is done because of something that carried its `traceparent`. An exception marks it, and goes on."""
    if _tracer is None or carried is None:
        yield
        return
    parent = _W3C.extract({"traceparent": carried})
    with _span(_tracer, name, parent, SpanKind.CONSUMER, attributes):
        yield


@contextmanager
def _span(tracer: trace.Tracer, name: str, parent: Any, kind: SpanKind, attributes: Any) -> Iterator[trace.Span]:
    # Neither the message nor the stack of an exception is recorded: a driver's may quote what people typed.
    with tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


class TracedRequests:
    """ASGI middleware: a span for each request, named by its route, within the caller's trace if it sent one."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _tracer is None:
            await self._app(scope, receive, send)
            return
        carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}
        parent, method = _W3C.extract(carried, context.Context()), scope["method"]
        with _span(_tracer, method, parent, SpanKind.SERVER, {"http.request.method": method}) as span:

            async def observed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, observed)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
