# attack: shows invalid images, images with a huge size in the header, and images with a script
# verdict: completed
# prints: before
import struct
import zlib

print("before")


def png(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


for data in (b"", b"not an image", png(2**31 - 1, 2**31 - 1), png(0, 0), png(1, 1) + bytes(4_000_000), b"\x89PNG\r\n\x1a\n"):
    display({"image/png": data}, raw=True)
display({"image/jpeg": b"\xff\xd8\xff"}, raw=True)
display({"image/svg+xml": "<svg onload='alert(1)'><script>1</script></svg>"}, raw=True)
display({"image/svg+xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><svg width='1e400' height='nan'/>"}, raw=True)
