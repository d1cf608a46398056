"""Read your writes, over POST, redirect and GET."""

from .waiting import wait_for_writes


class WaitForWrites:
    """Holds a response back until what the request wrote has been applied to
    Redis, at most PGRIPPLE["wait_ms"].

    The first in MIDDLEWARE, so that the writes of all others, such as those of
    sessions, and the transaction of ATOMIC_REQUESTS, are behind it. A request
    that writes nothing waits for nothing and asks nothing.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with wait_for_writes():
            return self.get_response(request)
