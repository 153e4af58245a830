"""The small model is that of the pilot's own tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
