from PIL import Image, ImageDraw, ImageOps

photo = Image.open("photo.png").convert("RGB")
small = ImageOps.contain(ImageOps.autocontrast(ImageOps.grayscale(photo)).convert("RGB"), (160, 160))

framed = ImageOps.expand(small, border=8, fill="white")
ImageDraw.Draw(framed).text((12, framed.height - 22), "proof", fill="white")
framed.save("photo-framed.png")
print(f"{photo.width}x{photo.height} -> {framed.width}x{framed.height}")
