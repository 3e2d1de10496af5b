# attack: guesses the random numbers of another execution, which may share a state with its own
# verdict: completed
# twice: every line differs
import os
import random
import secrets
import tempfile
import uuid

import numpy

print("random", random.random())
print("numpy", numpy.random.random())
print("numpy generator", numpy.random.default_rng().random())
print("secrets", secrets.token_hex())
print("urandom", os.urandom(8).hex())
print("uuid", uuid.uuid4())
print("temporary", tempfile.mktemp())
