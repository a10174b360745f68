"""`python -m clinspan`."""

from clinspan.cli.main import main

if __name__ == "__main__":
    main()
