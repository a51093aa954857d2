"""Opens a console's websocket, speaks RFB (RFC 6143) on it, says how many colours the screen has, and types. Arguments: URL, text."""
import base64
import os
import socket
import struct
import sys
import urllib.parse


class Socket:
    """As much of a websocket (RFC 6455) as RFB needs."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.tcp = socket.create_connection((parts.hostname, parts.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: binary", "", ""]
        self.tcp.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.tcp.recv(1)
            assert byte, head
            head += byte
        assert b" 101 " in head.split(b"\r\n")[0], head
        self.waiting = b""

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.tcp.recv(count - len(data))
            assert more, "the socket was closed"
            data += more
        return data

    def read(self, count):
        while len(self.waiting) < count:
            kind, length = self.exactly(2)
            length &= 127
            if length == 126:
                (length,) = struct.unpack(">H", self.exactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.exactly(8))
            data = self.exactly(length)
            assert kind & 15 in (0, 2), (kind, data)
            self.waiting += data
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def write(self, data):
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        length = bytes([128 | len(data)]) if len(data) < 126 else struct.pack(">BH", 128 | 126, len(data))
        self.tcp.sendall(b"\x82" + length + mask + masked)


ws = Socket(sys.argv[1])
assert ws.read(12).startswith(b"RFB 003.")
ws.write(b"RFB 003.008\n")
kinds = ws.read(ws.read(1)[0])
assert 1 in kinds, kinds
ws.write(b"\x01")
assert ws.read(4) == b"\0\0\0\0"
ws.write(b"\x01")
width, height = struct.unpack(">HH", ws.read(4))
ws.read(16)
ws.read(struct.unpack(">I", ws.read(4))[0])
# 32 bits a pixel, as they are.
ws.write(struct.pack(">B3x4B3H3B3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
ws.write(struct.pack(">BxHi", 2, 1, 0))
ws.write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
kind = ws.read(1)[0]
assert kind == 0, kind
ws.read(1)
colours = set()
for _ in range(struct.unpack(">H", ws.read(2))[0]):
    x, y, w, h, encoding = struct.unpack(">HHHHi", ws.read(12))
    assert encoding == 0, encoding
    pixels = ws.read(4 * w * h)
    colours.update(pixels[i : i + 3] for i in range(0, len(pixels), 4))
for letter in sys.argv[2] + "\n":
    symbol = 0xFF0D if letter == "\n" else ord(letter)
    for down in (1, 0):
        ws.write(struct.pack(">BBxxI", 4, down, symbol))
# What was typed is on its way when the next answer comes.
ws.write(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))
ws.read(1)
print(f"{width}x{height} {len(colours)}")
