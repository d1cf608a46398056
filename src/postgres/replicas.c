/*
 * Read replicas, as pg_stat_replication shows them.
 *
 * The rows are there for everybody, but all except the pid is NULL without
 * pg_read_all_stats: then it is not known how far a replica has come, and
 * whoever waits for it waits for as long as he may.  Not among them:
 * pg_basebackup; pg_receivewal, which writes and replays nothing; logical
 * subscribers, which are databases of their own.
 *
 * https://www.postgresql.org/docs/current/monitoring-stats.html
 */
#include "postgres/replicas.h"

#include "base/buf.h"

void
replicas_print(struct buf *sql)
{
	buf_add_string(sql,
	    "SELECT r.pid, r.replay_lsn AS replayed"
	    " FROM pg_stat_replication AS r"
	    " WHERE coalesce(r.state, 'startup')"
	    " IN ('startup', 'catchup', 'streaming')"
	    " AND NOT (r.write_lsn IS NOT NULL AND r.replay_lsn IS NULL)"
	    " AND NOT EXISTS (SELECT FROM pg_replication_slots AS s"
	    " WHERE s.active_pid = r.pid AND s.slot_type = 'logical')");
}
