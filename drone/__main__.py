import sys

from drone.cli import main

sys.exit(main())
