"""`python -m bridgenet_infer.cli`, where the command itself is not on the path."""

import sys

from .command import main

sys.exit(main())
