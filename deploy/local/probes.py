"""Whether a part answers. Each probe says yes or no within two seconds and never raises."""

import http.client
import socket

_TIMEOUT = 2.0


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def answers_ok(port: int, path: str) -> bool:
    """Whether an HTTP GET on this machine is answered with 200. No proxy is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers(address: str) -> bool:
    """Whether a part answers at its address: our own processes say that they are ready, servers accept connections."""
    host, _, port = address.split(",")[0].rpartition(":")
    port = port.split("/")[0]
    if address.startswith("http://"):
        return answers_ok(int(port), "/readyz")
    return listens(host, int(port))
