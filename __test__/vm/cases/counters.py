"""The module counts, over all its users."""
from tap import case, equal
from wire import ECHO, PUBLISH, REFUSE, Socket, counters


@case('requests, refusals and publications are counted')
def _():
    with Socket() as peer, Socket() as other:
        before = counters(peer)
        for _ in range(3):
            other.ask(ECHO, b'x')
        other.ask(REFUSE)
        other.ask(PUBLISH, b'nobody has joined: refused')
        other.join()
        other.ask(PUBLISH, b'news')
        after = counters(peer)
        # The second reading counts itself.
        equal([now - then for now, then in zip(after, before)], [7, 2, 1, 0])
