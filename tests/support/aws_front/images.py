"""The public images that moto's server has while it is tested: Amazon Linux 2023 only.

moto loads several hundred images, each with a snapshot said to be ours; listing those takes a
second, and making them anew is most of a reset.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moto.utilities.utils import load_resource

if TYPE_CHECKING:
    from pathlib import Path

REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")


def write(path: Path) -> None:
    """A file for MOTO_AMIS_PATH; the SSM parameters of moto name these images."""
    found = [
        image
        for region in REGIONS
        for image in load_resource(f"ec2/resources/latest_amis/{region}.json")
        if image["name"].startswith("al2023-ami-2023")
    ]
    path.write_text(json.dumps(found))
