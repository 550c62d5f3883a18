"""`python -m flocket.cli`: the same command, where the script is not on the path."""

import sys

from flocket.cli import main

sys.exit(main())
