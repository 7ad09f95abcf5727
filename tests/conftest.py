"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Lets Ctrl-C reach the processes that tests start.

    A shell starts what it runs in the background with SIGINT ignored, and that is inherited; a
    process whose handler is not "ignore" passes the default on.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
