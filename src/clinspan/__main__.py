"""The program `clinspan`, and `python -m clinspan`."""

import sys

try:
    from clinspan.cli.main import main
except KeyboardInterrupt:
    # Ctrl-C in the moment before the program itself can hear it.
    sys.stderr.write("stopped\n")
    sys.exit(130)

if __name__ == "__main__":
    main()
