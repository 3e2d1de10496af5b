# attack: unpacks an archive of a few megabytes into gigabytes
# verdict: incomplete disk
# prints: before
# input: bomb.zip zip-bomb
# files: *
# timeout_ms: 15000
import zipfile

print("before")
with zipfile.ZipFile("bomb.zip") as archive:
    archive.extractall("out")
print("breached: it fitted")
