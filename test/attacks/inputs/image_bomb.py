# attack: opens an image of a hundred kilobytes and a billion pixels
# verdict: incomplete memory
# prints: before
# input: bomb.png image-bomb
# timeout_ms: 15000
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
from PIL import Image

print("before")
Image.MAX_IMAGE_PIXELS = None
image = Image.open("bomb.png").convert("RGBA")
print("breached: it fitted")
