"""loadcore: an HTTP load engine whose numbers can be believed.

Importing this package starts no thread, patches nothing and needs neither boto3 nor pandas.
"""

from loadcore._core import Histogram

__all__ = ["Histogram"]
__version__ = "0.1.0"
