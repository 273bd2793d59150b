"""``python -m lakehouse.cli``."""

import sys

from lakehouse.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
