"""`python -m avtomat` is the command `avtomat`."""

import sys

from avtomat.cli.main import main

sys.exit(main())
