#!/usr/bin/python3
"""A listener as one writes it with psycopg2 and redis-py:
listener.py CONNINFO REDIS_SOCKET REDIS_DB. See ../naive.c."""

import json
import select
import sys

import psycopg2
import redis


def main():
    conninfo, socket, database = sys.argv[1:]
    cache = redis.Redis(unix_socket_path=socket, db=int(database))
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    connection.cursor().execute("LISTEN naive")
    print("ready", flush=True)
    while True:
        select.select([connection], [], [])
        connection.poll()
        keys = []
        for notification in connection.notifies:
            change = json.loads(notification.payload)
            keys.append(f"{change['table']}:{change['id']}")
        connection.notifies.clear()
        for start in range(0, len(keys), 1000):
            cache.delete(*keys[start:start + 1000])


if __name__ == "__main__":
    main()
