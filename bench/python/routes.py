"""Routes with pyroute2: request, batch (all in one buffer, as its own batch does) and dump."""

import sys
import time

from pyroute2 import IPBatch, IPRoute

role, amount = sys.argv[1], int(sys.argv[-1])


def route(index):
    return {
        "dst": f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}/32",
        "oif": 1,
        "scope": 253,
        "proto": 4,
    }


def say(value):
    print('{"value":%f}' % value, flush=True)


with IPRoute() as ip:
    if role == "dump":
        start = time.monotonic()
        routes = sum(1 for _ in ip.get_routes(family=2))
        if routes < amount:
            sys.exit(f"Error: {routes} routes of {amount} came")
        say((time.monotonic() - start) * 1e3)
    elif role == "request":
        start = time.monotonic()
        for index in range(amount):
            ip.route("add", **route(index))
        say((time.monotonic() - start) * 1e6 / amount)
    else:
        start = time.monotonic()
        for first in range(0, amount, 500):
            batch = IPBatch()
            for index in range(first, min(first + 500, amount)):
                batch.route("add", **route(index))
            ip.sendto(batch.batch, (0, 0))
        say(amount / (time.monotonic() - start))
