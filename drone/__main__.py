import sys

from drone.cli import main

if __name__ == "__main__":
    sys.exit(main())
