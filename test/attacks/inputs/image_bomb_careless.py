# attack: opens the same image without lifting the library's guard
# verdict: failed exception
# prints: before
# input: bomb.png image-bomb
# timeout_ms: 15000
from PIL import Image

print("before")
Image.open("bomb.png").load()
print("breached: it was opened")
