/*
 * The doorbell: NOTIFY only when somebody sleeps (docs/protocols.md).
 *
 * Writers run transactions with savepoints, daemons fetch and sleep, the
 * server's sessions deliver notifications and die. There is no sweep: if a
 * committed row stays in the outbox when nothing can happen any more, its
 * wake-up was lost.
 *
 * Planted bugs: NO_SECOND_FETCH, DISCARD_AFTER_FETCH, ONE_STATEMENT,
 * EOF_IGNORED, UNLOCK_BEFORE_VISIBLE.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef DAEMONS
#define DAEMONS 2
#endif
#ifndef TRANSACTIONS
#define TRANSACTIONS 1		/* of each writer */
#endif
#ifndef STATEMENTS
#define STATEMENTS 2		/* of each transaction */
#endif
#ifndef FAULTS
#define FAULTS 2		/* sessions cut and daemons killed, together */
#endif
#define SESSIONS (DAEMONS + FAULTS)
#define NOBODY SESSIONS

#define BIT(n) (1 << (n))

/* Where a daemon is. */
#define DOWN 0		/* not connected */
#define STANDBY 1	/* connected, listening, waits for lock L */
#define FETCH 2		/* about to fetch */
#define APPLY 3		/* holds a batch */
#define QUIET 4		/* the fetch came back empty: discard what was heard */
#define TRY 5		/* about to ask for lock K */
#define TRYING 6	/* the statement is at the server */
#define AGAIN 7		/* K granted: fetch once more */
#define ASLEEP 8
#define UNLOCK 9	/* about to give K back */
#define DEAFEN 10	/* planted: discards once more, before it sleeps */
#define WOKEN 11	/* it rang: fetch, K still held */
#define GATHER 12	/* awake: waits for company, and does not listen */

/* The server: a bit of rows is the committed work of one transaction. */
byte rows;
byte k_owner = NOBODY;	/* the session that holds K exclusively */
byte k_shared;		/* the writers that hold K shared */
byte l_owner = NOBODY;
bool listens[SESSIONS];	/* alive at the server, LISTEN committed */
bool used[SESSIONS];
bool rung[SESSIONS];	/* a notification waits for the session to be idle */
bool busy[SESSIONS];	/* a statement is under way */
bool cut[SESSIONS];	/* the server and the daemon do not reach each other */

/* The daemons. */
byte at[DAEMONS];
byte session[DAEMONS];
bool heard[DAEMONS];	/* a notification is in the client's buffer */
byte batch[DAEMONS];

byte faults;

/*
 * The row and the lock, or NOTIFY, of one statement. What it got belongs to
 * the subtransaction in which it ran.
 */
inline write(row, lock, bell)
{
	row = true;
	if
	:: k_owner == NOBODY ->
		lock = true;
		k_shared = k_shared | BIT(w)
	:: else ->
		bell = true
	fi
}

inline ring()
{
	byte i;

	i = 0;
	do
	:: i < SESSIONS ->
		if
		:: listens[i] -> rung[i] = true
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

proctype writer(byte w)
{
	byte transaction, statement;
	bool row, lock, bell;			/* of the transaction */
	bool sub_row, sub_lock, sub_bell;	/* since the savepoint */

	do
	:: transaction < TRANSACTIONS ->
		do
		:: atomic { statement < STATEMENTS ->
			statement++;
			write(row, lock, bell)
		   }
		:: atomic { statement < STATEMENTS ->
			statement++;
			write(sub_row, sub_lock, sub_bell)
		   };
			if
			:: atomic {	/* RELEASE SAVEPOINT */
				row = row || sub_row;
				lock = lock || sub_lock;
				bell = bell || sub_bell;
				sub_row = false;
				sub_lock = false;
				sub_bell = false
			   }
			:: atomic {	/* ROLLBACK TO SAVEPOINT */
				if
				:: sub_lock && !lock ->
					k_shared = k_shared & ~BIT(w)
				:: else
				fi;
				sub_row = false;
				sub_lock = false;
				sub_bell = false
			   }
			fi
		:: atomic { row ->	/* COMMIT */
#ifdef UNLOCK_BEFORE_VISIBLE
			k_shared = k_shared & ~BIT(w)
		   };
		   atomic {
#endif
			rows = rows | BIT(w * TRANSACTIONS + transaction);
			if
			:: bell -> ring()
			:: else
			fi;
			break
		   }
		:: atomic { row -> break }	/* ROLLBACK */
		:: atomic { !row && statement == STATEMENTS -> break }
		od;
		atomic {	/* only now are its locks released */
			k_shared = k_shared & ~BIT(w);
			row = false;
			lock = false;
			bell = false;
			statement = 0;
			transaction++
		}
	:: else -> break
	od
}

inline connect(d)
{
	byte i;

	i = 0;
	do
	:: used[i] -> i++
	:: else -> break
	od;
	used[i] = true;
	listens[i] = true;
	session[d] = i;
	i = 0;
	at[d] = STANDBY
}

/* The daemon is rid of its session; the server may not know it yet. */
inline disconnect(d)
{
	cut[session[d]] = true;
	session[d] = NOBODY;
	heard[d] = false;
	batch[d] = 0;
	at[d] = DOWN
}

#define MY session[d]
#define REACHED (MY != NOBODY && !cut[MY])
#ifdef EOF_IGNORED
#define NOTICED (MY != NOBODY && cut[MY] && at[d] != ASLEEP)
#else
#define NOTICED (MY != NOBODY && cut[MY])
#endif

proctype daemon(byte d)
{
	do
	:: atomic { at[d] == DOWN -> connect(d) }
	:: atomic { at[d] == STANDBY && REACHED && l_owner == NOBODY ->
		l_owner = MY;
		at[d] = FETCH
	   }
	:: atomic { at[d] == FETCH ->
		batch[d] = rows;
		if
		:: batch[d] != 0 -> at[d] = APPLY
		:: else -> at[d] = QUIET
		fi
	   }
	:: atomic { at[d] == APPLY ->
		rows = rows & ~batch[d];
		batch[d] = 0;
		if
		:: at[d] = FETCH
		:: at[d] = GATHER
		fi
	   }
	:: atomic { at[d] == GATHER ->
		heard[d] = false;
		at[d] = FETCH
	   }
	:: atomic { at[d] == QUIET ->
		heard[d] = false;
		at[d] = TRY
	   }
	:: atomic { at[d] == TRY && REACHED ->
		busy[MY] = true;
#ifdef ONE_STATEMENT
		batch[d] = rows;	/* the snapshot comes first */
#endif
		at[d] = TRYING
	   }
	:: atomic { at[d] == TRYING && REACHED ->
		busy[MY] = false;
		if
		:: k_owner == NOBODY && k_shared == 0 ->
			k_owner = MY;
#ifdef NO_SECOND_FETCH
			at[d] = ASLEEP
#else
			at[d] = AGAIN
#endif
		:: else ->		/* a writer is under way: back off */
			batch[d] = 0;
			at[d] = FETCH
		fi
	   }
	:: atomic { at[d] == AGAIN ->
#ifndef ONE_STATEMENT
		batch[d] = rows;
#endif
		if
		:: batch[d] != 0 ->
			batch[d] = 0;
			at[d] = UNLOCK
		:: else ->
#ifdef DISCARD_AFTER_FETCH
			at[d] = DEAFEN
#else
			at[d] = ASLEEP
#endif
		fi
	   }
#ifdef DISCARD_AFTER_FETCH
	:: atomic { at[d] == DEAFEN ->
		heard[d] = false;
		at[d] = ASLEEP
	   }
#endif
	:: atomic { at[d] == ASLEEP && heard[d] ->
		heard[d] = false;
		at[d] = WOKEN
	   }
	/* K goes back only if something is there: a forged ring costs one
	 * fetch. */
	:: atomic { at[d] == WOKEN ->
		if
		:: rows != 0 ->
			at[d] = UNLOCK
		:: else ->
			at[d] = ASLEEP
		fi
	   }
	:: atomic { at[d] == UNLOCK && REACHED ->
		k_owner = NOBODY;
		at[d] = FETCH
	   }
	/* EOF, or a heartbeat without an answer */
	:: atomic { NOTICED -> disconnect(d) }
	/* kill -9; it is started again */
	:: atomic { MY != NOBODY && faults > 0 ->
		faults--;
		disconnect(d)
	   }
	od
}

/*
 * One session at the server. A session that is cut lives on until the server
 * notices: then it first stops listening, and releases its locks one by one.
 */
proctype backend(byte s)
{
	byte d;

	do
	:: atomic { rung[s] && !busy[s] && !cut[s] ->
		rung[s] = false;
		d = 0;
		do
		:: d < DAEMONS ->
			if
			:: session[d] == s -> heard[d] = true
			:: else
			fi;
			d++
		:: else -> break
		od;
		d = 0
	   }
	:: atomic { used[s] && !cut[s] && faults > 0 ->
		faults--;
		cut[s] = true
	   }
	/* what had reached the server before is still done */
	:: atomic { cut[s] && listens[s] && busy[s] ->
		busy[s] = false;
		if
		:: k_owner == NOBODY && k_shared == 0 -> k_owner = s
		:: else
		fi
	   }
	:: atomic { cut[s] && (listens[s] || busy[s]) ->
		listens[s] = false;
		busy[s] = false;
		rung[s] = false
	   }
	:: atomic { cut[s] && !listens[s] && !busy[s] && k_owner == s ->
		k_owner = NOBODY
	   }
	:: atomic { cut[s] && !listens[s] && !busy[s] && l_owner == s ->
		l_owner = NOBODY
	   }
	:: atomic { cut[s] && !listens[s] && !busy[s] && k_owner != s &&
	       l_owner != s && session[0] != s && session[DAEMONS - 1] != s ->
		cut[s] = false;
		used[s] = false
	   }
	od
}

/* Nothing can happen any more: nothing may wait, and somebody must listen. */
proctype judge()
{
	timeout ->
		assert(rows == 0);
		assert(at[0] == ASLEEP || at[DAEMONS - 1] == ASLEEP)
}

init {
	byte n;

	atomic {
		/*
		 * Fewer faults are a case of their own: while one can still
		 * happen, something can.
		 */
		do
		:: faults < FAULTS -> faults++
		:: break
		od;
		do
		:: n < DAEMONS ->
			session[n] = NOBODY;
			run daemon(n);
			n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < SESSIONS ->
			run backend(n);
			n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < WRITERS ->
			run writer(n);
			n++
		:: else -> break
		od;
		n = 0;
		run judge()
	}
}
