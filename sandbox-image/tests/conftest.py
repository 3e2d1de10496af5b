"""Makes the image's runner and the tests' drivers importable."""

import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/opt", "/tests"]
