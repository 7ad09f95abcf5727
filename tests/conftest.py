"""What holds for all tests.

Property tests take the same examples in every run, so that a change is red for what it does and not
by lot; with LOADCORE_EXPLORE=1 they draw new ones, and print how to replay one that fails.
"""

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "loadcore",
    # A busy machine is no failure: what takes too long is pytest's timeout to say.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("LOADCORE_EXPLORE"),
    print_blob=True,
)
settings.load_profile("loadcore")


def pytest_configure() -> None:
    """Lets Ctrl-C reach the processes that tests start.

    A shell starts what it runs in the background with SIGINT ignored, and that is inherited; a
    process whose handler is not "ignore" passes the default on.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
