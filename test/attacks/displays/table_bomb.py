# attack: shows a table of a billion cells that needs no memory
# verdict: completed | incomplete memory
# prints: before
# timeout_ms: 20000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import numpy
import pandas

print("before")
values = numpy.broadcast_to(numpy.float64(1.5), (1_000_000, 1000))
pandas.DataFrame(values, copy=False)
