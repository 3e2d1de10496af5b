# attack: an input file's name points outside the working folder
# verdict: errored | errored sandbox_lost
# input: ../../../tmp/escaped text
import os

print("breached: the code ran", os.path.exists("/tmp/escaped"))
