"""What the set-up of an instance says on its console: the one place that it always reaches, as the
log is shipped by what it has yet to install."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from loadcore_aws.stack.errors import code_of
from loadcore_aws.stack.kinds.tolerant import unless_gone

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account

ENDED = re.compile(r"loadcore user data: (FAILED|NOT YET): (.*)")


@dataclass(frozen=True)
class Trouble:
    """Why user data ended early; `final` where it failed, else the service may yet get healthy."""

    why: str
    final: bool


def trouble_of(account: Account, instance: str) -> Trouble | None:
    """None as far as nothing is known.

    Of the newest console where the type offers that ("Instance console output", Amazon EC2 User
    Guide); elsewhere it appears some minutes late.
    """
    ec2 = account.client("ec2")
    try:
        answer = unless_gone(ec2.get_console_output, InstanceId=instance, Latest=True)
    except ClientError as error:
        if code_of(error) not in {"UnsupportedOperation", "InvalidParameterCombination"}:
            raise
        answer = unless_gone(ec2.get_console_output, InstanceId=instance)
    said = ENDED.search((answer or {}).get("Output", ""))
    return Trouble(said[2].strip(), said[1] == "FAILED") if said else None
