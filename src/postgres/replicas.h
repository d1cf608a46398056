/*
 * The read replicas of the server that we are connected to.
 */
#ifndef PGRIPPLE_POSTGRES_REPLICAS_H
#define PGRIPPLE_POSTGRES_REPLICAS_H

struct buf;

/* How often to look whether they have come so far, in ms. */
#define REPLICAS_POLL_MS 100

/* A SELECT of (pid, replayed): a line for each that is connected, by the pid of
 * its sender, and how far it has replayed; NULL where that is not known. */
void replicas_print(struct buf *sql);

#endif
