"""`python -m or_audit_logging`: the same as the command `or-audit`."""

import sys

from or_audit_logging.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
