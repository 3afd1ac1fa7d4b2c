"""Sends requests to the kernel and prints what comes back, with Python's own socket module.

arguments: protocol number, "cap" or "echo" (NETLINK_CAP_ACK or not)
stdin:     one request a line, hexadecimal, header and all
stdout:    for each request one line: its answer datagrams, hexadecimal, separated by spaces
"""
import socket
import struct
import sys

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12


def finished(datagram):
    """Whether a datagram holds an NLMSG_ERROR or an NLMSG_DONE."""
    at = 0
    while at + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, at)
        if kind in (2, 3):
            return True
        at += (length + 3) & ~3
    return False


def main():
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, int(sys.argv[1]))
    netlink.settimeout(10)
    netlink.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    netlink.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    if sys.argv[2] == "cap":
        netlink.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    for line in sys.stdin:
        netlink.send(bytes.fromhex(line.strip()))
        answers = []
        while not answers or not finished(answers[-1]):
            answers.append(netlink.recv(1 << 16))
        print(" ".join(answer.hex() for answer in answers), flush=True)


main()
