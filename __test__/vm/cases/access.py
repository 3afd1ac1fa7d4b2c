"""Who may speak to the module, and from where."""
import ctypes
import errno
import os
from tap import case, equal, fails_with
from wire import ECHO, NEWS, PUBLISH, Socket, in_child, message, succeeded

NOBODY = 65534
CLONE_NEWNET = 0x40000000


@case('an ordinary user asks, joins and publishes')
def _():
    def run():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with Socket() as peer:
            equal(peer.ask(ECHO, b'x').payload, b'x')
            peer.join()
            equal(peer.ask(PUBLISH, b'news').payload, b'news')
    succeeded(in_child(run))


@case('an ordinary user cannot multicast by himself: EPERM')
def _():
    def run():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with Socket() as peer:
            fails_with(errno.EPERM, peer.sendto, message(ECHO), (0, 1 << (NEWS - 1)))
    succeeded(in_child(run))


@case('from another network namespace: ECONNREFUSED, and no news')
def _():
    ready, tell = os.pipe()
    told, go_on = os.pipe()

    def run():
        equal(ctypes.CDLL(None).unshare(CLONE_NEWNET), 0)
        with Socket(groups=1 << (NEWS - 1)) as peer:
            fails_with(errno.ECONNREFUSED, peer.send, message(ECHO))
            os.write(tell, b'.')
            os.read(told, 1)
            peer.nothing_queued()

    child = in_child(run)
    os.read(ready, 1)
    with Socket() as peer:
        peer.join()
        equal(peer.ask(PUBLISH, b'news').payload, b'news')
    os.write(go_on, b'.')
    succeeded(child)
    for descriptor in (ready, tell, told, go_on):
        os.close(descriptor)
