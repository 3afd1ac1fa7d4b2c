"""Netlink as bytes: headers, attributes, acknowledgements, sockets."""
import collections
import errno
import os
import socket
import struct
import tap

PROTOCOL = 25
NEWS = 1

ECHO, PREFIX, ATTRIBUTES, PUBLISH, COUNTERS, REFUSE, BURST, LIST, ANNOUNCE = range(16, 25)
PAD, TEXT, NUMBER, SHOUT, PLACE, ERROR_NUMBER, RECEIVED, REFUSED, PUBLISHED, UNDELIVERED, GROUP = range(1, 12)
ROW, COLUMN, LABEL = 1, 2, 3

# linux/netlink.h
REQUEST, MULTI, ACK, DUMP_INTR, DUMP = 1, 2, 4, 0x10, 0x300
CAPPED, ACK_TLVS = 0x100, 0x200
ERROR, DONE = 2, 3
NESTED = 0x8000
SOL_NETLINK = 270
ADD_MEMBERSHIP, DROP_MEMBERSHIP, PKTINFO, BROADCAST_ERROR, CAP_ACK, EXT_ACK = 1, 2, 3, 4, 10, 11
ERR_MSG, ERR_OFFSET, ERR_POLICY, ERR_MISSING_TYPE, ERR_MISSING_NEST = 1, 2, 4, 5, 6

HEADER = struct.Struct('=IHHII')

Message = collections.namedtuple('Message', 'type flags sequence port_id payload')


def padded(data):
    return data + bytes(-len(data) % 4)


def message(kind, payload=b'', flags=REQUEST, sequence=1, port_id=0, length=None):
    """One message. `length` lies about its length."""
    length = HEADER.size + len(payload) if length is None else length
    return padded(HEADER.pack(length, kind, flags, sequence, port_id) + payload)


def parse(datagram):
    """The messages in a datagram, which the kernel wrote and must therefore be whole."""
    messages = []
    while datagram:
        length, *header = HEADER.unpack_from(datagram)
        assert HEADER.size <= length <= len(datagram), (length, len(datagram))
        messages.append(Message(*header, datagram[HEADER.size:length]))
        datagram = datagram[(length + 3) & ~3:]
    return messages


def attribute(kind, data=b'', length=None):
    """One attribute. `length` lies about its length."""
    return padded(struct.pack('=HH', 4 + len(data) if length is None else length, kind) + data)


def u32(kind, number):
    return attribute(kind, struct.pack('=I', number))


def text(kind, string):
    return attribute(kind, string.encode() + b'\0')


def nested(kind, *inner):
    return attribute(kind | NESTED, b''.join(inner))


def attributes(data):
    """{type: bytes} of the attributes in an answer; the NESTED bit is dropped."""
    found = {}
    while data:
        length, kind = struct.unpack_from('=HH', data)
        assert 4 <= length <= len(data), (length, len(data))
        found[kind & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def number(data):
    return int.from_bytes(data, 'little' if struct.pack('=H', 1) == b'\1\0' else 'big')


def refusal(answer):
    """(errno, {extended ACK type: bytes}) of an NLMSG_ERROR."""
    tap.equal(answer.type, ERROR)
    code = -struct.unpack_from('=i', answer.payload)[0]
    if not answer.flags & ACK_TLVS:
        return code, {}
    request_length = HEADER.size if answer.flags & CAPPED else struct.unpack_from('=I', answer.payload, 4)[0]
    return code, attributes(answer.payload[4 + ((request_length + 3) & ~3):])


class Socket(socket.socket):
    """A bound socket of the protocol, which waits at most five seconds for anything."""

    def __init__(self, port_id=0, groups=0):
        super().__init__(socket.AF_NETLINK, socket.SOCK_RAW, PROTOCOL)
        self.settimeout(5)
        self.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        self.bind((port_id, groups))
        self.port_id = self.getsockname()[0]

    def join(self, group=NEWS):
        self.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)

    def receive(self):
        """The messages of the next datagram."""
        return parse(self.recv(1 << 20))

    def ask(self, *arguments, **keywords):
        """Sends one message, and returns the one message that answers it."""
        self.send(message(*arguments, **keywords))
        answers = self.receive()
        tap.equal(len(answers), 1)
        return answers[0]

    def nothing_queued(self):
        """The module answers before send() returns, so what is not there now will never come."""
        self.settimeout(0)
        tap.fails_with(errno.EAGAIN, self.recv, 1)
        self.settimeout(5)

    def until_done(self):
        """Every message of a multipart answer, DONE the last."""
        messages = []
        while not messages or messages[-1].type != DONE:
            messages += self.receive()
        return messages


def counters(peer):
    """What the module has counted: requests, refusals, publications, and those that did not reach all."""
    got = attributes(peer.ask(COUNTERS).payload)
    return [number(got[kind]) for kind in (RECEIVED, REFUSED, PUBLISHED, UNDELIVERED)]


def in_child(run):
    """Runs `run` in a process of its own, which must not raise."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run()
            status = 0
        except BaseException as error:
            print(f'# in the child: {type(error).__name__} {error}', flush=True)
        finally:
            os._exit(status)
    return child


def succeeded(child):
    tap.equal(os.waitpid(child, 0)[1], 0)
