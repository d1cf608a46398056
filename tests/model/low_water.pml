/*
 * The low-water mark: fetches begin above ids that no row can have any more
 * (docs/protocols.md).
 *
 * Writers draw ids from a sequence and commit in any order; a daemon raises its
 * mark in three steps; committed rows are deleted at any time, by this daemon
 * or by others that are active too. A mark is one daemon's own, so that others
 * matter to it by what they delete alone. A committed row at or below the mark
 * would never be fetched: that is the error.
 *
 * Planted bugs: XMAX_BOUND, HOLDERS_FIRST, FRESH_SEQUENCE, LATE_LOCK,
 * CACHED_IDS.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef IDS
#define IDS 4			/* the writers stop when these are drawn */
#endif

#define BIT(n) (1 << (n))
#define ROW(id) (1 << ((id) - 1))
#define UP_TO(id) ((1 << (id)) - 1)

/* What the daemon does for its mark. */
#define IDLE 0
#define LISTING 1	/* knows S, lists the lock's holders one by one */
#define WAITING 2	/* waits until none of these holds the lock any more */
#define RAISING 3	/* knows the new mark */

/* The server. */
byte last_value = 1;
bool is_called;
byte visible;		/* committed rows that nobody has deleted yet */
byte holders;		/* the writers that hold RowExclusiveLock */
#ifdef XMAX_BOUND
byte next_xid = 1;
byte completed;		/* the latest xid that has ended */
byte running[WRITERS];	/* 0: none */
byte bound;
#endif

/* The daemon. */
byte doing;
byte mark;
byte next_mark;
byte s;
byte h;			/* of the holders it listed, those that still hold */
byte scanned;

#define DRAWN (is_called -> last_value : 0)

inline draw(id)
{
	if
	:: is_called -> last_value++
	:: else -> is_called = true
	fi;
	id = last_value
}

/* The lock goes, whoever waits for this virtual transaction sees it. */
inline release()
{
	holders = holders & ~BIT(w);
	h = h & ~BIT(w)
}

inline end_xid()
{
#ifdef XMAX_BOUND
	completed = (running[w] > completed -> running[w] : completed);
	running[w] = 0
#else
	skip
#endif
}

proctype writer(byte w)
{
	byte mine;	/* the rows of this transaction */
	byte id, spare;

	do
	:: atomic { DRAWN < IDS || spare != 0 -> skip
#ifdef XMAX_BOUND
		;
		running[w] = next_xid;
		next_xid++
#endif
	   };
		do
		:: DRAWN < IDS || spare != 0 ->
#ifndef LATE_LOCK
			atomic { holders = holders | BIT(w) };
#endif
			atomic {
				if
				:: spare != 0 ->
					id = spare;
					spare = 0
				:: spare == 0 && DRAWN < IDS -> draw(id)
#ifdef CACHED_IDS
				:: spare == 0 && DRAWN < IDS - 1 ->
					draw(id);
					draw(spare)
#endif
				:: else -> break
				fi;
				if
				:: mine = mine | ROW(id)
				:: skip		/* undone to a savepoint */
				:: mine = 0;	/* the same, and the lock was */
					release()	/* taken after it */
				fi;
				id = 0
			};
#ifdef LATE_LOCK
			atomic { holders = holders | BIT(w) }
#endif
		:: (holders & BIT(w)) != 0 -> break
		od;
		if
		:: atomic {			/* COMMIT */
			assert((mine & UP_TO(mark)) == 0);
			visible = visible | mine;
			mine = 0;
			end_xid()
		   }
		:: atomic {			/* ROLLBACK */
			mine = 0;
			end_xid()
		   }
		fi;
		atomic { release() }
	:: else -> break
	od
}

/* S, and the snapshot that the planted bug compares with. */
inline read_sequence()
{
#ifdef FRESH_SEQUENCE
	s = last_value;
#else
	s = DRAWN;
#endif
#ifdef XMAX_BOUND
	bound = completed + 1;
#endif
	if
	:: s < mark -> mark = 0
	:: else
	fi
}

/* The smallest id above the mark, less one. */
inline look_for_rows()
{
	byte i;

	i = mark + 1;
	do
	:: i > s || (visible & ROW(i)) != 0 -> break
	:: else -> i++
	od;
	next_mark = i - 1;
	i = 0
}

#ifdef XMAX_BOUND
#define OLDER(n) (running[n] != 0 && running[n] < bound)
#define HOLDERS_GONE (!OLDER(0) && !OLDER(WRITERS - 1))
#else
#define HOLDERS_GONE (h == 0)
#endif

proctype daemon()
{
	byte id;

	do
	/* acknowledged, here or by another daemon, in any order */
	:: atomic { visible != 0 ->
		id = 1;
		do
		:: (visible & ROW(id)) != 0 -> break
		:: (visible & ~UP_TO(id)) != 0 -> id++
		od;
		visible = visible & ~ROW(id);
		id = 0
	   }

	/* the mark */
#ifdef HOLDERS_FIRST
	:: atomic { doing == IDLE -> doing = LISTING }
#else
	:: atomic { doing == IDLE ->
		read_sequence();
		doing = LISTING
	   }
#endif
	:: atomic { doing == LISTING && scanned < WRITERS ->
		h = h | (holders & BIT(scanned));
		scanned++
	   }
	:: atomic { doing == LISTING && scanned == WRITERS ->
		scanned = 0;
#ifdef HOLDERS_FIRST
		read_sequence();
#endif
		doing = WAITING
	   }
	:: atomic { doing == WAITING && HOLDERS_GONE ->
		look_for_rows();
		doing = RAISING
	   }
	:: atomic { doing == RAISING ->
		mark = next_mark;
		assert((visible & UP_TO(mark)) == 0);
		next_mark = 0;
		s = 0;
		h = 0;
		doing = IDLE
	   }

	/* killed, or connected anew */
	:: atomic { doing != IDLE || mark != 0 ->
		doing = IDLE;
		mark = 0;
		next_mark = 0;
		s = 0;
		h = 0;
		scanned = 0
	   }
	od
}

init {
	byte n;

	atomic {
		run daemon();
		do
		:: n < WRITERS ->
			run writer(n);
			n++
		:: else -> break
		od;
		n = 0
	}
}
