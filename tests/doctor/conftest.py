"""The small model of the tests of what flies."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "onboard"))
