"""Start of the sandbox's first process, named by the image's entry point."""

import sys

from runner.supervisor.supervisor import serve

# Only for finding this package; the code's own modules may have any name.
sys.path.remove("/opt")
serve()
