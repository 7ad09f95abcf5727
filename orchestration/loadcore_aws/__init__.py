"""loadcore on AWS; installed with `pip install '.[aws]'` in its folder.

Importing this package makes no client and asks nothing of AWS.
"""

from loadcore_aws.session import Session

__all__ = ["Session"]
