// A listener as one writes it with pg-listen and ioredis:
// listener.mjs CONNINFO REDIS_SOCKET REDIS_DB. See ../naive.c.

import { Redis } from "ioredis";
import createSubscriber from "pg-listen";

const [conninfo, socket, database] = process.argv.slice(2);

// node-postgres knows no "host=... port=..." but an object of these.
const options = Object.fromEntries(
  conninfo.split(" ").map((pair) => pair.split("=")),
);
const cache = new Redis({
  path: socket,
  db: Number(database),
  enableAutoPipelining: true,
});
const subscriber = createSubscriber({
  host: options.host,
  port: Number(options.port),
  user: options.user,
  database: options.dbname,
});

subscriber.notifications.on("naive", ({ table, id }) => {
  cache.del(`${table}:${id}`);
});
subscriber.events.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
await subscriber.connect();
await subscriber.listenTo("naive");
console.log("ready");
