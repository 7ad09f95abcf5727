"""Which stack it is: all that those commands need which only look, or remove."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[a-z][a-z0-9-]{0,14}[a-z0-9]")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True)
class Head:
    """`account`, where it is given, is the only one whose credentials will do."""

    name: str
    region: str
    account: str = field(default="", kw_only=True)

    def faults(self) -> Iterator[Fault]:
        if not NAME.fullmatch(self.name):
            yield Fault(("name",), f"is {self.name!r}; take 2 to 16 of a-z, 0-9 and -, a letter "
                                   "first")  # fmt: skip
        elif self.name == "internal" or self.name.startswith(("internal-", "sg-")):
            yield Fault(("name",), f"is {self.name!r}; AWS keeps internal- (balancers) and sg- "
                                   "(security groups) for itself; choose another")  # fmt: skip
        if not REGION.fullmatch(self.region):
            yield Fault(("region",), f"is {self.region!r}; give one such as eu-central-1")
        if self.account and not re.fullmatch(r"\d{12}", self.account):
            yield Fault(("account",), f"is {self.account!r}; an account has 12 digits")
