# attack: opens an image of a hundred kilobytes and a billion pixels
# verdict: incomplete memory
# prints: before
# input: bomb.png image-bomb
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
from PIL import Image

print("before")
Image.MAX_IMAGE_PIXELS = None
image = Image.open("bomb.png").convert("RGBA")
print("breached: it fitted")
