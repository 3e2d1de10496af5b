# attack: leaves a core file of its memory behind
# verdict: failed signal
# prints: blocked
# files: []
import os
import resource

try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("breached: core files are possible")
except (OSError, ValueError):
    print("blocked")
os.abort()
