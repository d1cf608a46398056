/*
 * Marks: changes of a whole table that later ones hide behind
 * (docs/protocols.md).
 *
 * Writers rely on a mark that waits in the outbox, or write their own; daemons
 * claim marks, apply and acknowledge them. Who committed after a mark was
 * applied must not have relied on that one: at every step some mark waits, or
 * every committed change is applied. All is of one table, and every row of the
 * outbox is a mark.
 *
 * Planted bugs: NO_LOCK, LOOK_BEFORE_LOCK, LOCKS_BEFORE_CLAIM, CLAIM_LAST,
 * NO_CLAIM, SHARED_CLAIM, KEPT_ACKNOWLEDGED, UNLOCK_BEFORE_VISIBLE.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef STATEMENTS
#define STATEMENTS 2		/* of each transaction */
#endif
#ifndef DAEMONS
#define DAEMONS 1		/* active: L is not needed */
#endif
#ifndef FAULTS
#define FAULTS 0		/* daemons killed */
#endif
#ifndef WAITING
#define WAITING 1		/* marks, at the start */
#endif
#define IDS (WAITING + WRITERS * STATEMENTS)
#define NOBODY DAEMONS

#define BIT(n) (1 << (n))
#define ROW(id) (1 << ((id) - 1))
#define UP_TO(id) ((1 << (id)) - 1)

/* Where a daemon is. */
#define FETCH 0
#define BEGIN 1		/* of claim_marks(), a transaction */
#define CLAIM 2
#define LOCKS 3		/* looks who relies, mark after mark */
#define END 4
#define APPLY 5
#define ACKNOWLEDGE 6

/* The server. */
byte last_id = WAITING;
byte marks = UP_TO(WAITING);	/* committed rows of the table mark */
byte outbox = UP_TO(WAITING);	/* committed rows of the outbox */
byte claimed;			/* a sequence: seen at once, never undone */
byte shared[IDS + 1];		/* the writers that rely on it */
byte exclusive[IDS + 1] = NOBODY;
byte claiming = NOBODY;		/* the lock of key 0 */

byte faults = FAULTS;
byte unseen;		/* writers that have committed, and are not applied */

#define NOTHING_LOST (unseen == 0 || outbox != 0)

inline find_newest(set, newest)
{
	newest = IDS;
	do
	:: newest > 0 && !(set & ROW(newest)) -> newest--
	:: else -> break
	od
}

inline release_shared()
{
	newest = 1;
	do
	:: newest <= IDS ->
		shared[newest] = shared[newest] & ~BIT(w);
		newest++
	:: else -> break
	od;
	newest = 0
}

/*
 * One transaction, READ COMMITTED or with a snapshot as old as itself.
 */
proctype writer(byte w)
{
	bool old, changed, was_changed, had_lock, does;
	byte own, was_own;		/* marks of this transaction */
	byte seen_marks, seen_outbox;	/* the snapshot */
	byte newest, statement;

	atomic {
		if
		:: old = true;
			seen_marks = marks;
			seen_outbox = outbox
		:: old = false
		fi
	};
	do
	:: atomic { statement < STATEMENTS ->	/* it looks */
		statement++;
		was_own = own;
		was_changed = changed;
		if
		:: old -> find_newest((seen_marks | own), newest)
		:: else -> find_newest((marks | own), newest)
		fi;
		had_lock = (shared[newest] & BIT(w)) != 0;
		does = newest > claimed &&
		    (((old -> seen_outbox : outbox) | own) & ROW(newest))
	   };
#ifndef NO_LOCK
		atomic {			/* locks */
			if
			:: does && exclusive[newest] == NOBODY ->
				shared[newest] = shared[newest] | BIT(w)
			:: else -> does = false
			fi
		};
#endif
		atomic {			/* and looks once more */
#ifndef LOOK_BEFORE_LOCK
			does = does && newest > claimed;
#endif
			if
			:: does
			:: else ->
				last_id++;
				own = own | ROW(last_id)
			fi;
			changed = true;
#ifdef SAVEPOINTS
			if
			:: true
			:: true ->	/* ROLLBACK TO SAVEPOINT */
				own = was_own;
				changed = was_changed;
				if
				:: !had_lock ->
					shared[newest] =
					    shared[newest] & ~BIT(w)
				:: else
				fi
			fi;
#endif
			was_own = 0;
			was_changed = false;
			had_lock = false;
			does = false;
			newest = 0
		}
	:: atomic { changed ->		/* COMMIT */
#ifdef UNLOCK_BEFORE_VISIBLE
		release_shared()
	   };
	   atomic {
#endif
		marks = marks | own;
		outbox = outbox | own;
		unseen = unseen | BIT(w);
		assert(NOTHING_LOST);
		break
	   }
	:: atomic { changed -> break }	/* ROLLBACK */
	:: atomic { !changed && statement == STATEMENTS -> break }
	od;
	atomic {
		release_shared();
		own = 0;
		seen_marks = 0;
		seen_outbox = 0
	}
}

inline release_exclusive()
{
	newest = 1;
	do
	:: newest <= IDS ->
		if
		:: exclusive[newest] == d -> exclusive[newest] = NOBODY
		:: else
		fi;
		newest++
	:: else -> break
	od;
	newest = 0;
	if
	:: claiming == d -> claiming = NOBODY
	:: else
	fi
}

/* What comes after the claim, and before it. */
#ifdef CLAIM_LAST
#define AFTER_FETCH APPLY
#define AFTER_CLAIM ACKNOWLEDGE
#define AFTER_APPLY BEGIN
#else
#ifdef NO_CLAIM
#define AFTER_FETCH APPLY
#else
#define AFTER_FETCH BEGIN
#endif
#define AFTER_CLAIM APPLY
#define AFTER_APPLY ACKNOWLEDGE
#endif

proctype daemon(byte d)
{
	byte at, batch, kept, gone, newest, former, n;

	do
	:: atomic { at == FETCH && outbox != 0 ->
		if
		:: batch = outbox
		:: batch = outbox & ~(outbox - 1)	/* the oldest */
		fi;
		at = AFTER_FETCH
	   }
	:: atomic { at == BEGIN &&
#ifdef SHARED_CLAIM
		true ->
#else
		claiming == NOBODY ->
		claiming = d;
#endif
		find_newest((batch & marks), newest);
		former = claimed;
#ifdef LOCKS_BEFORE_CLAIM
		at = LOCKS
#else
		at = CLAIM
#endif
	   }
	:: atomic { at == CLAIM ->
		if
		:: newest > former -> claimed = newest
		:: else
		fi;
		newest = 0;
#ifdef LOCKS_BEFORE_CLAIM
		at = END
#else
		/* Entries of marks that were acknowledged. */
		gone = marks & UP_TO(former) & ~outbox;
		at = LOCKS
#endif
	   }
	:: atomic { at == LOCKS ->
		do
		:: n++;
			if
			:: n > IDS || (batch & ROW(n)) -> break
			:: else
			fi
		od;
		if
		:: n > IDS ->
			n = 0;
#ifdef LOCKS_BEFORE_CLAIM
			at = CLAIM
#else
			at = END
#endif
		:: n <= IDS && shared[n] == 0 &&
		   exclusive[n] == NOBODY ->
#ifndef LOCKS_BEFORE_CLAIM	/* which would be safe if it kept them */
			exclusive[n] = d
#endif
		:: else ->
			kept = kept | ROW(n)
		fi
	   }
	:: atomic { at == END ->
		marks = marks & ~gone;
		gone = 0;
		former = 0;
		release_exclusive();
		at = AFTER_CLAIM
	   }
	:: atomic { at == APPLY ->
		unseen = 0;
		at = AFTER_APPLY
	   }
	:: atomic { at == ACKNOWLEDGE ->
#ifdef KEPT_ACKNOWLEDGED
		kept = 0;
#endif
		outbox = outbox & ~(batch & ~kept);
		assert(NOTHING_LOST);
		batch = 0;
		kept = 0;
		at = FETCH
	   }
	/* kill -9; it is started again */
	:: atomic { at != FETCH && faults > 0 ->
		faults--;
		release_exclusive();
		batch = 0;
		kept = 0;
		gone = 0;
		former = 0;
		n = 0;
		at = FETCH
	   }
	od
}

/* Nothing can happen any more. */
proctype judge()
{
	timeout -> assert(unseen == 0 && outbox == 0)
}

init {
	byte n;

	atomic {
		do
		:: n < WRITERS ->
			run writer(n);
			n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < DAEMONS ->
			run daemon(n);
			n++
		:: else -> break
		od;
		n = 0;
		run judge()
	}
}
