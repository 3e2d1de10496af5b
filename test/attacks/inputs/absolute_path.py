# attack: an input file has an absolute name
# verdict: errored | errored sandbox_lost
# input: /tmp/escaped text
import os

print("breached: the code ran", os.path.exists("/tmp/escaped"))
