// A reader of the log, as one writes it with pg-logical-replication (pgoutput)
// and ioredis: decoding.mjs CONNINFO REDIS_SOCKET REDIS_DB. It reads the slot
// and the publication "peer". See listener.mjs.

import { Redis } from "ioredis";
import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication";

const [conninfo, socket, database] = process.argv.slice(2);

const options = Object.fromEntries(
  conninfo.split(" ").map((pair) => pair.split("=")),
);
const cache = new Redis({
  path: socket,
  db: Number(database),
  enableAutoPipelining: true,
});
const service = new LogicalReplicationService({
  host: options.host,
  port: Number(options.port),
  user: options.user,
  database: options.dbname,
});

service.on("data", (_lsn, { tag, relation, new: row }) => {
  if (tag === "update") cache.del(`${relation.name}:${row.id}`);
});
service.on("start", () => console.log("ready"));
service.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
await service.subscribe(
  new PgoutputPlugin({ protoVersion: 1, publicationNames: ["peer"] }),
  "peer",
);
