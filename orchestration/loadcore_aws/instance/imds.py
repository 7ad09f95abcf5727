"""The instance metadata service, as an instance asks it about itself; version 2 only.

Source: Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata" and
"Instance metadata categories".
"""

from __future__ import annotations

import os
import time
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "http://169.254.169.254"
ADDRESS_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # botocore's name for it
TOKEN_TTL_S = 21_600  # the most there is
TIMEOUT_S = 2.0


class Unreachable(lc.RunError):
    """The metadata service did not answer, or not as documented."""


class Imds:
    """For one thread. `clock` is in seconds and never goes back."""

    def __init__(self, url: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = (url or os.environ.get(ADDRESS_VARIABLE) or ADDRESS).rstrip("/")
        self._clock = clock
        self._token = ""
        self._token_until_s = 0.0
        # No proxy stands between an instance and its metadata.
        self._opener = build_opener(ProxyHandler({}))

    def get(self, category: str) -> str | None:
        """Such as "instance-id"; None for what this instance does not have. Raises Unreachable."""
        try:
            return self._get(category)
        except HTTPError as error:
            if error.code != 401:
                raise self._unreachable(error) from None
        self._token = ""  # ended before its time: the instance was stopped in between
        try:
            return self._get(category)
        except HTTPError as error:
            raise self._unreachable(error) from None

    def instance_id(self) -> str:
        """Raises Unreachable."""
        found = self.get("instance-id")
        if not found:
            raise Unreachable("the metadata service knows no instance-id; is this an EC2 instance?")
        return found

    def _get(self, category: str) -> str | None:
        headers = {"X-aws-ec2-metadata-token": self._valid_token()}
        try:
            return self._ask(Request(f"{self._url}/latest/meta-data/{category}", headers=headers))
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _valid_token(self) -> str:
        if not self._token or self._clock() >= self._token_until_s:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL_S)}
            until_s = self._clock() + TOKEN_TTL_S / 2
            self._token = self._ask(
                Request(f"{self._url}/latest/api/token", method="PUT", headers=headers)
            )
            self._token_until_s = until_s
        return self._token

    def _ask(self, request: Request) -> str:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return str(answer.read(65_536), "utf-8").strip()
        except HTTPError:
            raise
        except (OSError, HTTPException, UnicodeDecodeError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"the instance metadata service at {self._url} does not answer: {error}")
