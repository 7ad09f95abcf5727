"""Whether the service of this instance is up."""

from __future__ import annotations

import json
import time
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Callable

READY_S = 120
"""what a service that was just started gets to become healthy: a fresh one takes seconds"""
POLL_S = 0.5
TIMEOUT_S = 2.0


def health(port: int) -> str:
    """What keeps the service from being healthy, or nothing."""
    url = f"http://127.0.0.1:{port}/v1/healthcheck"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_S) as answer:
            told = answer.read(65_536)
    except HTTPError as error:
        told = error.read(65_536)
    except (OSError, HTTPException) as error:
        return f"{url} does not answer: {error}"
    try:
        answered = json.loads(told)
        if answered["healthy"] is True:
            return ""
        return f"{url} says: {answered['reason']}"
    except (ValueError, KeyError, TypeError):
        return f"{url} does not answer as a likes service"


def wait(
    port: int,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Until the service is healthy. Raises lc.RunError with what it said last."""
    deadline_s = clock() + timeout_s
    while trouble := health(port):
        if clock() >= deadline_s:
            raise lc.RunError(f"not healthy after {timeout_s:g} s: {trouble}")
        sleep(POLL_S)
