"""A private sentinel: the same program as the server, in another role."""

import os

import redis

from harness.process import free_port
from harness.redis_server import RedisServer

MASTER = "mymaster"


class Sentinel(RedisServer):
    """Watches a RedisServer. Settings are lines of its configuration file, in
    which {master} stands for the master's name: make_sentinel(server,
    "requirepass secret")."""

    name = "sentinel"

    def __init__(self, watched, *settings, quorum=1):
        super().__init__()
        self.port = free_port()
        self.path = os.path.join(self.folder, "sentinel.conf")
        lines = [f"port {self.port}", "bind 127.0.0.1",
                 f"unixsocket {self.socket}", f"dir {self.folder}",
                 f"sentinel monitor {MASTER} 127.0.0.1 {watched.port}"
                 f" {quorum}",
                 f"sentinel down-after-milliseconds {MASTER} 1000",
                 f"sentinel failover-timeout {MASTER} 5000",
                 *[line.format(master=MASTER) for line in settings]]
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        for line in settings:
            if line.startswith("requirepass "):
                self.settings["requirepass"] = line.split()[1]

    def command(self):
        return [self.binary, self.path, "--sentinel"]

    def is_up(self):
        try:
            with self.client() as client:
                return bool(client.sentinel_masters())
        except redis.RedisError:
            return False

    def names(self, server):
        """Whether the sentinel knows that server as the master."""
        with self.client() as client:
            return client.sentinel_get_master_addr_by_name(MASTER) == (
                "127.0.0.1", server.port)

    def watch(self, server):
        """From now on another master is watched under the same name."""
        with self.client() as client:
            client.sentinel_remove(MASTER)
            client.sentinel_monitor(MASTER, "127.0.0.1", server.port, 1)
