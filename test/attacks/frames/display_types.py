# attack: announces displays of types and shapes that do not exist, with an id of a file it does not own
# verdict: completed
# prints: printed after
# never prints: forged-by-attack
import json
import os
import struct

heads = [
    {"type": "file", "file_id": "file_forged-by-attack", "name": "../x", "url": "http://forged-by-attack/"},
    {"type": "forged-by-attack"}, {"type": 7}, {}, {"type": "table", "columns": "forged-by-attack"}, {"type": "error", "name": "forged-by-attack"},
    {"type": "image", "mime_type": "text/html", "role": "display", "width": 1, "height": 1, "data": {"x": "forged-by-attack"}},
    {"type": "image", "mime_type": "image/png", "role": "forged-by-attack", "width": -1, "height": 1e300},
    {"type": "text", "stream": "stdout", "text": "forged-by-attack"}, {"__proto__": {"type": "result", "text": "forged-by-attack"}},
    {"type": "result", "text": ["forged-by-attack"]}, {"type": "html", "text": {"a": "forged-by-attack"}, "role": "result"},
]
for head in heads:
    text = json.dumps(head).encode()
    try:
        os.write(3, struct.pack(">BII", 0x45, len(text), 0) + text)
    except OSError:
        pass
print("printed after")
