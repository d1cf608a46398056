"""A private redis-server (or one that speaks like it)."""

import os
import shutil

import redis

from harness.process import Server, free_port


class Client(redis.Redis):
    """Overlooks the marks that daemons leave."""

    def keys(self, pattern="*", **more):
        return [key for key in super().keys(pattern, **more)
                if "pgripple:mark:" not in str(key)]

    def dbsize(self, **more):
        return len(self.keys(**more))


class RedisServer(Server):
    """On a unix socket and on 127.0.0.1; saves nothing unless told to.

    Further settings: make_redis(maxmemory="10mb", appendonly="yes").
    """

    name = "redis"

    def __init__(self, **settings):
        super().__init__()
        self.binary = (os.environ.get("PGRIPPLE_REDIS_SERVER")
                       or shutil.which("redis-server")
                       or shutil.which("valkey-server"))
        assert self.binary, "cannot find redis-server"
        self.port = free_port()
        self.socket = os.path.join(self.folder, "redis.sock")
        self.settings = {"save": "", **settings}
        self.url = f"unix://{self.socket}?db=0"
        self.tcp_url = f"redis://127.0.0.1:{self.port}/0"

    def command(self):
        command = [self.binary, "--unixsocket", self.socket, "--port",
                   str(self.port), "--bind", "127.0.0.1", "--dir",
                   self.folder, "--loglevel", "notice"]
        for name, value in self.settings.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        return command

    def client(self, **more):
        """A client that speaks text."""
        options = {"decode_responses": True,
                   "password": self.settings.get("requirepass"), **more}
        return Client(unix_socket_path=self.socket, **options)

    def is_up(self):
        try:
            with self.client() as client:
                return client.ping()
        except redis.RedisError:
            return False
