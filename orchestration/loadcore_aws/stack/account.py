"""The AWS account as the stack's code sees it: clients, who we are, and time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import loadcore as lc
from loadcore_aws.session import Session


@dataclass(frozen=True)
class Time:
    """Clock, sleep and chance, injected so that tests do not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    date: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


class Account:
    """One account and region, for any number of threads. Clients are made when first asked for and
    do not repeat calls themselves: after a lost answer the caller must look before it repeats.

    `clients` are those there are already, by service, of the same region and endpoint; what is made
    joins them, so that accounts may share what takes longer to make than to use."""

    def __init__(
        self,
        region: str,
        *,
        profile: str | None = None,
        endpoint_url: str | None = None,
        time: Time | None = None,
        clients: dict[str, Any] | None = None,
    ) -> None:
        self.region = region
        self.time = time or Time()
        self._session = Session(
            region=region, profile=profile, endpoint_url=endpoint_url, attempts_max=1
        )
        self._clients: dict[str, Any] = {} if clients is None else clients
        self._lock = threading.Lock()
        self._id: str | None = None
        self._partition = "aws"

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(service)
            return self._clients[service]

    def identify(self, expected: str = "") -> str:
        """The account's number, asked for once.

        Raises loadcore.PlanError where it is not the `expected` one.
        """
        if self._id is None:
            identity = self.client("sts").get_caller_identity()
            self._id = str(identity["Account"])
            self._partition = identity["Arn"].split(":")[1]
        if expected and expected != self._id:
            raise lc.PlanError(
                "account",
                f"the credentials are of account {self._id}, and the file is for {expected}; "
                "choose the right AWS_PROFILE",
            )
        return self._id

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, ...; known once identify() has been called."""
        return self._partition

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """All elements of a paged answer's `key`."""
        paginator = self.client(service).get_paginator(operation)
        return [each for page in paginator.paginate(**parameters) for each in page.get(key) or ()]
