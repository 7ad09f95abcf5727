"""loadcore: an HTTP load engine whose numbers can be believed.

Importing this package starts no thread, patches nothing and needs neither boto3 nor pandas.
"""

from loadcore._core import Histogram
from loadcore._distribution import Distribution
from loadcore._engine import Progress, RunHandle, run, start
from loadcore._errors import (
    DataError,
    FileError,
    Interrupted,
    LoadcoreError,
    MissingLibraryError,
    PlanError,
    RunError,
)
from loadcore._limits import ServiceLimits
from loadcore._plan import Plan
from loadcore._run import Bytes, Failures, Rate, Requests, Run, Verdict, load
from loadcore._service import Service, serve
from loadcore._timeline import Timeline
from loadcore._version import __version__

__all__ = [
    "Bytes",
    "DataError",
    "Distribution",
    "Failures",
    "FileError",
    "Histogram",
    "Interrupted",
    "LoadcoreError",
    "MissingLibraryError",
    "Plan",
    "PlanError",
    "Progress",
    "Rate",
    "Requests",
    "Run",
    "RunError",
    "RunHandle",
    "Service",
    "ServiceLimits",
    "Timeline",
    "Verdict",
    "__version__",
    "load",
    "run",
    "serve",
    "start",
]
