"""Lets the tests import the image's runner and their own driver."""

import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/opt", "/tests"]
