"""`python -m loadcore` is the command `loadcore`."""

import sys

from loadcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
