"""A program for the tests that knows nothing of nearwire: the same command line
as the one in C, written apart from it on Python's own socket module.
See ../README.md."""

import array
import ctypes
import errno
import fcntl
import json
import os
import re
import signal
import socket
import struct
import sys
import termios
import threading
import time

LARGEST_MESSAGE = 1 << 20
SO_TIMESTAMP = 29  # asm-generic/socket.h; the module does not name it
MOST_SHOWN = 4096
CONTROL_ROOM = socket.CMSG_SPACE(253 * 4) + socket.CMSG_SPACE(12) + socket.CMSG_SPACE(16)
TYPES = {
    "stream": socket.SOCK_STREAM,
    "datagram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
}


def unescape(text):
    return re.sub(rb"%([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), os.fsencode(text))


def parse_address(text):
    return b"\0" + unescape(text[1:]) if text.startswith("@") else unescape(text)


def show_address(address):
    if not address:
        return None
    if isinstance(address, str):
        address = os.fsencode(address)
    if address[:1] == b"\0":
        address = b"@" + address[1:]
    return address.decode("latin-1")


def pattern(length, position=0):
    return bytes((i * 31 + (i >> 8) * 7 + (i >> 16)) & 255 for i in range(position, position + length))


def checksum(data):
    state = 2166136261
    for byte in data:
        state = ((state ^ byte) * 16777619) & 0xFFFFFFFF
    return state


def say(action, **values):
    line = json.dumps({"action": action, **values}) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


def fail(call, error):
    say(call, error=errno.errorcode.get(error.errno, "UNKNOWN"))
    sys.stdout.flush()
    os._exit(1)


def attempt(call, function, *arguments):
    try:
        return function(*arguments)
    except OSError as error:
        fail(call, error)


def numbered(size, index):
    data = bytearray(pattern(size, index))
    if size >= 4:
        data[0:4] = struct.pack(">I", index)
    return bytes(data)


def amount(text):
    count, size = text.split("x")
    return int(count), int(size)


class Peer:
    def __init__(self, kind, handle, connected):
        self.kind = kind
        self.socket = handle
        self.connected = connected
        self.last_sender = None
        if kind == "seqpacket":
            # recvmsg returns nothing for an empty message and for the end alike;
            # with time stamps on, only the message carries one.
            handle.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)

    # ---- what every action is made of ----

    def destination(self):
        if self.connected:
            return None
        if not self.last_sender:
            fail("sendmsg", OSError(errno.EDESTADDRREQ, ""))
        return self.last_sender

    def send_message(self, data, control=()):
        to = self.destination()
        # CPython takes no address of None through sendmsg's positional form.
        arguments = ([data], control, 0, to) if to else ([data], control)
        sent = attempt("sendmsg", self.socket.sendmsg, *arguments)
        if sent < len(data):
            attempt("send", self.socket.sendall, data[sent:])

    def read_whole(self, length):
        parts, left = [], length
        while left:
            part = attempt("recv", self.socket.recv, left)
            if not part:
                if left == length:
                    return None
                fail("recv", OSError(errno.EPROTO, ""))
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def read_frame(self):
        header = self.read_whole(4)
        if header is None:
            return None
        (length,) = struct.unpack(">I", header)
        data = self.read_whole(length) if length else b""
        if data is None:
            fail("recv", OSError(errno.EPROTO, ""))
        return data

    def receive_message(self):
        """The data, the control messages, the flags, the sender, and whether this is the end."""
        data, control, flags, sender = attempt(
            "recvmsg", self.socket.recvmsg, LARGEST_MESSAGE, CONTROL_ROOM, socket.MSG_CMSG_CLOEXEC
        )
        end = not data and not control and self.kind != "datagram"
        if sender:
            self.last_sender = sender
        return data, control, flags, sender, end

    # ---- the actions ----

    def send(self, text):
        self.send_message(unescape(text))
        say("send")

    def send_descriptors(self, text):
        count, _, data = text.partition(":")
        files = []
        for index in range(int(count)):
            file = os.memfd_create(f"descriptor {index}", os.MFD_CLOEXEC)
            os.write(file, f"descriptor {index}".encode())
            files.append(file)
        self.send_message(unescape(data), [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
        for file in files:
            os.close(file)
        say("send-descriptors")

    def send_credentials(self, text):
        who, _, data = text.partition(":")
        values = (os.getpid(), os.getuid(), os.getgid()) if who == "self" else tuple(map(int, who.split(",")))
        self.send_message(unescape(data), [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iII", *values))])
        say("send-credentials", pid=values[0])

    def write_pattern(self, length):
        for position in range(0, length, 65536):
            self.socket.sendall(pattern(min(65536, length - position), position))

    def send_pattern(self, text):
        attempt("send", self.write_pattern, int(text))
        say("send-pattern", length=int(text))

    def echo_check(self, text):
        length, received = int(text), []

        def write():
            self.write_pattern(length)
            self.socket.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        while part := attempt("recv", self.socket.recv, 65536):
            received.append(part)
        writer.join()
        data = b"".join(received)
        say("echo-check", length=len(data), intact=data == pattern(length))

    def send_messages(self, text):
        count, size = amount(text)
        for index in range(count):
            self.send_message(numbered(size, index))
        say("send-messages", messages=count)

    def receive_messages(self, text):
        count, size = amount(text)
        total, intact = 0, True
        while total < count:
            data, _, _, _, end = self.receive_message()
            if end:
                break
            intact = intact and data == numbered(size, total)
            total += 1
        say("receive-messages", messages=total, intact=intact)

    def send_frames(self, text):
        count, size = amount(text)
        for index in range(count):
            attempt("send", self.socket.sendall, struct.pack(">I", size) + pattern(size, index))
        say("send-frames", frames=count)

    def receive_frames(self, text="0"):
        wanted, frames, total, intact = int(text), 0, 0, True
        while wanted == 0 or frames < wanted:
            data = self.read_frame()
            if data is None:
                break
            intact = intact and data == pattern(len(data), frames)
            frames += 1
            total += len(data)
        say("receive-frames", frames=frames, bytes=total, intact=intact)

    def receive_frame(self):
        data = self.read_frame()
        text = (data or b"").decode("latin-1")
        say("receive-frame", end=data is None, length=len(text), data=text)

    def echo_frames(self):
        frames = 0
        while (data := self.read_frame()) is not None:
            attempt("send", self.socket.sendall, struct.pack(">I", len(data)) + data)
            frames += 1
        say("echo-frames", frames=frames)

    def echo(self):
        messages, total = 0, 0
        if self.kind == "stream":
            while part := attempt("recv", self.socket.recv, 65536):
                attempt("send", self.socket.sendall, part)
                total += len(part)
        else:
            while True:
                data, _, _, _, end = self.receive_message()
                if end:
                    break
                self.send_message(data)
                messages += 1
                total += len(data)
        say("echo", messages=messages, bytes=total)

    def receive(self):
        data, control, flags, sender, end = self.receive_message()
        descriptors, credentials = [], None
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                files = array.array("i")
                files.frombytes(value[: len(value) - len(value) % files.itemsize])
                for file in files:
                    descriptors.append(os.pread(file, 64, 0).decode("latin-1"))
                    os.close(file)
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                credentials = dict(zip(("pid", "uid", "gid"), struct.unpack("iII", value)))
        say(
            "receive",
            length=len(data),
            end=end,
            checksum=checksum(data),
            data=data[:MOST_SHOWN].decode("latin-1"),
            **{"from": show_address(sender)},
            truncated=bool(flags & socket.MSG_TRUNC),
            controlTruncated=bool(flags & socket.MSG_CTRUNC),
            descriptors=descriptors,
            credentials=credentials,
        )

    def receive_exactly(self, text):
        data = self.read_whole(int(text)) or b""
        say(
            "receive-exactly",
            length=len(data),
            checksum=checksum(data),
            data=data[:MOST_SHOWN].decode("latin-1"),
            pattern=data == pattern(len(data)),
        )

    def receive_all(self):
        parts, end = [], "end"
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except OSError as error:
            end = errno.errorcode[error.errno]
        data = b"".join(parts)
        say(
            "receive-all",
            length=len(data),
            checksum=checksum(data),
            data=data[:MOST_SHOWN].decode("latin-1"),
            pattern=data == pattern(len(data)),
            end=end,
        )

    def wait_queued(self, text):
        # Nothing reports a growing receive queue, so this looks again and again.
        queued = array.array("i", [0])
        while True:
            fcntl.ioctl(self.socket, termios.FIONREAD, queued)
            if queued[0] >= int(text):
                break
            time.sleep(0.0002)
        say("wait-queued", length=queued[0])

    def shutdown(self, how):
        values = {"read": socket.SHUT_RD, "write": socket.SHUT_WR, "both": socket.SHUT_RDWR}
        attempt("shutdown", self.socket.shutdown, values[how])
        say("shutdown")

    def pause(self):
        say("pause")
        while os.read(0, 1) not in (b"\n", b""):
            pass

    def peer(self):
        pid, uid, gid = struct.unpack("iii", self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        try:
            address = show_address(self.socket.getpeername())
        except OSError:
            address = None
        say("peer", pid=pid, uid=uid, gid=gid, address=address)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def run(self, actions):
        for action in actions:
            name, colon, text = action.partition(":")
            method = ACTIONS.get(name)
            if not method:
                sys.exit(f"no such action: {action}")
            method(self, text) if colon else method(self)
        self.socket.close()
        say("close")


ACTIONS = {
    name.replace("_", "-"): getattr(Peer, name)
    for name in (
        "send send_descriptors send_credentials send_pattern echo_check send_messages receive_messages send_frames "
        "receive_frames receive_frame echo_frames echo receive receive_exactly receive_all wait_queued shutdown "
        "pause peer die"
    ).split()
}


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ready():
    os.write(sys.stdout.fileno(), b"ready\n")


def serve(kind, handle, address, options, actions):
    attempt("bind", handle.bind, address)
    if kind == "datagram":
        ready()
        Peer(kind, handle, connected=False).run(actions)
        return
    connections = int(options.get("connections", 1))
    attempt("listen", handle.listen, int(options.get("backlog", 128)))
    if connections == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ready()
    if connections < 0:
        signal.pause()
    served = 0
    while connections == 0 or served < connections:
        connection, _ = attempt("accept", handle.accept)
        served += 1
        if connections == 0:
            if os.fork() == 0:
                die_with_parent()
                handle.close()
                Peer(kind, connection, connected=True).run(actions)
                os._exit(0)
            connection.close()
        else:
            Peer(kind, connection, connected=True).run(actions)


def connect(kind, handle, address, options, actions):
    if "bind" in options:
        attempt("bind", handle.bind, "" if options["bind"] == "auto" else parse_address(options["bind"]))
    peer = Peer(kind, handle, connected="unconnected" not in options)
    if peer.connected:
        attempt("connect", handle.connect, address)
    else:
        peer.last_sender = address
    ready()
    peer.run(actions)


def main():
    if len(sys.argv) < 4:
        sys.exit("usage: peer.py stream|datagram|seqpacket server|client ADDRESS [--option...] [action...]")
    die_with_parent()
    kind, role, address, *rest = sys.argv[1:]
    options, actions = {}, rest
    while actions and actions[0].startswith("--"):
        name, _, value = actions.pop(0)[2:].partition("=")
        options[name] = value
    handle = socket.socket(socket.AF_UNIX, TYPES[kind])
    if "pass-credentials" in options:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    (serve if role == "server" else connect)(kind, handle, parse_address(address), options, actions)


main()
