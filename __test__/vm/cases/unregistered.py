"""Without the module nobody serves the protocol."""
import errno
import socket
from tap import case, fails_with
from wire import PROTOCOL


@case('without the module the protocol has no socket: EPROTONOSUPPORT')
def _():
    fails_with(errno.EPROTONOSUPPORT, socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, PROTOCOL)
