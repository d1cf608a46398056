/*
 * The life of a batch: apply, mark, acknowledge (docs/protocols.md).
 *
 * Changes commit; daemons fetch them, apply them to Redis, set the mark key,
 * acknowledge in Postgres; they are killed between any two steps, time out, are
 * refused, or lose lock L and do not know it. Redis goes back to any state that it once saved.
 * A change is a key of its own. A change that is acknowledged, and that Redis
 * does not hold when nothing can happen any more, is the error, unless Redis
 * refused it for good and it is among the rejected.
 *
 * A batch takes any part of the rows that are there: its bounds in rows and
 * memory, marks that had to stay, and what the low-water mark lets a fetch see
 * (low_water.pml) choose which. What is long work, and what is for a Redis that
 * is not there, becomes tasks in the transaction that acknowledges the rows.
 *
 * A mark is the name of the batch that set it, and of the batch it was set
 * after. Names are never used twice: the model gives one out again only when
 * nobody knows it any more, which keeps the number of states finite.
 *
 * The mark is set by SET ... GET, whatever it was; with -DCONDITIONAL by a script
 * that sets it only if it is what the daemon expects.
 *
 * With -DLATE an acknowledgement may be lost with its session, and be carried out
 * later than newer ones, or never. To keep that small, it takes the place of
 * refusals, time-outs and kills. With -DALONE there is one daemon.
 *
 * Planted bugs: REPLY_IGNORED, NO_REPLAY, BLIND_ACK, COMPARED_ACK, REUSED_NAME,
 * TRUST_UNKNOWN, UNMARKED_TASK, SWALLOWED_TASK, ACCEPT_FIRST, CLAIM_ELSEWHERE,
 * READ_FIRST, TASKS_LATER, LOST_REJECTION, FETCHED_IS_DONE; of LATE,
 * NOT_CLAIMED_ANEW and SAME_OWNER.
 */
#define DAEMONS 2
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef FAULTS
#define FAULTS 2	/* kills, lost locks, time-outs, Redis gone back */
#endif
#define NAMES 15

#define BIT(n) (1 << (n))
#define EVERYTHING (BIT(CHANGES) - 1)
#define NOBODY DAEMONS

/* Where a daemon is. */
#define DOWN 0
#define JOIN 1		/* holds L: about to claim the state in Postgres */
#define LOOK 2		/* connected to Redis: about to read the mark */
#define JUDGE 3		/* about to act on the mark that it saw */
#define IDLE 4
#define SEND 5		/* has a batch, sends its operations */
#define PROVE 6		/* the mark's old value is on its way back */
#define ACK 7
#define READ 8		/* has claimed it: about to read the number */
#define FORGET 9	/* planted: accepted a mark, owes the whole models */
#define ADD 10		/* planted: acknowledged, owes the tasks */

/* Postgres. */
byte committed, pending;	/* changes; those that are in the outbox */
byte waiting, begun;		/* what tasks are to do: those that wait, those
				   that were begun and do not count for what
				   comes later */
byte rejected;			/* the changes that were kept apart */
byte number = 1;		/* the last acknowledged batch */
byte owner = NOBODY;		/* who may acknowledge: the last that joined */
byte lock = NOBODY;		/* who holds L */
#ifdef LATE
/* An acknowledgement on its way, 0: none, and who sent it under its last claim. */
byte late_name, late_taken, late_later, late_task, late_spoilt, late_owner;
#else
#define late_name 0
#endif

/* Redis. */
byte held;			/* the changes it was told */
byte mark = 1, mark_after;	/* the mark, and what its setter expected */
byte saved_held, saved_mark = 1, saved_after;
byte stray, stray_after;	/* a SET of a dropped connection, under way */

/* The daemons. */
byte at[DAEMONS];
bool connected[DAEMONS];
byte seen[DAEMONS], seen_after[DAEMONS];
/* What it remembers: a batch, what was applied after it, and after that. */
byte base[DAEMONS];
byte name1[DAEMONS], ops1[DAEMONS];
byte name2[DAEMONS], ops2[DAEMONS];
/* Its batch. */
byte name[DAEMONS], after[DAEMONS], ops[DAEMONS], left[DAEMONS];
byte taken[DAEMONS];		/* the rows to acknowledge */
byte later[DAEMONS];		/* those of them that become tasks */
byte task[DAEMONS];		/* or the tasks that it does */
byte spoilt[DAEMONS];		/* what Redis refused for good */
bool refused[DAEMONS];		/* an operation was: LOADING, NOPERM, ... */
bool proven[DAEMONS];		/* the mark was what it should be */

byte faults;

#define HEAD(d) (name2[d] != 0 -> name2[d] : \
		 (name1[d] != 0 -> name1[d] : base[d]))

/* What holds at every moment: the mark of the last acknowledged batch proves
 * all that was acknowledged, but for what tasks are going to do. */
#define PROVED \
	(mark != number || \
	 (committed & ~pending & ~waiting & ~begun & ~rejected & ~held) == 0)

#define KNOWS(d, x) \
	(base[d] == x || name1[d] == x || name2[d] == x || name[d] == x || \
	 seen[d] == x || seen_after[d] == x || after[d] == x)
#define KNOWN(x) \
	(number == x || late_name == x || mark == x || mark_after == x || \
	 saved_mark == x || saved_after == x || stray == x || stray_after == x || \
	 KNOWS(0, x) || KNOWS(1, x))

inline new_name(d)
{
	byte x;

#ifdef REUSED_NAME
	x = HEAD(d) + 1;
#else
	x = 1;
	do
	:: KNOWN(x) -> x++
	:: else -> break
	od;
#endif
	assert(x <= NAMES);
	name[d] = x;
	x = 0
}

inline end_task(d)
{
	begun = begun & ~task[d];
#ifdef SWALLOWED_TASK
	waiting = waiting & ~task[d]
#endif
}

inline drop_batch(d)
{
	name[d] = 0;
	after[d] = 0;
	ops[d] = 0;
	left[d] = 0;
	taken[d] = 0;
	later[d] = 0;
	task[d] = 0;
	spoilt[d] = 0;
	refused[d] = false;
	proven[d] = false
}

/* Any part of what is there. */
#ifdef FETCHED_IS_DONE
byte low[DAEMONS];
#define FETCHABLE(d) (pending & ~low[d])
#else
#define FETCHABLE(d) pending
#endif

inline fetch(d)
{
	if
	:: taken[d] = FETCHABLE(d)
	:: taken[d] = FETCHABLE(d) & -FETCHABLE(d)
	:: taken[d] = FETCHABLE(d) & (FETCHABLE(d) - 1) ->
		if
		:: taken[d] == 0 -> taken[d] = FETCHABLE(d)
		:: else
		fi
	fi;
#ifdef FETCHED_IS_DONE
	low[d] = low[d] | taken[d]
#endif
}

/* In the transaction that acknowledges. */
inline add_tasks(d)
{
#ifdef TASKS_LATER
	at[d] = ADD
#else
	waiting = waiting | later[d];
	drop_batch(d);
	at[d] = IDLE
#endif
}

/* It is as if it had just been started. */
inline forget(d)
{
	drop_batch(d);
	base[d] = 0;
	name1[d] = 0;
	ops1[d] = 0;
	name2[d] = 0;
	ops2[d] = 0;
	seen[d] = 0;
	seen_after[d] = 0;
	connected[d] = false;
	at[d] = DOWN;
	if
	:: lock == d -> lock = NOBODY
	:: else
	fi
}

/* It remembers one more batch, and drops what it did not repeat in vain. */
inline remember(d)
{
	if
	:: after[d] == base[d] && name1[d] != 0 ->
		name1[d] = 0;
		ops1[d] = 0;
		name2[d] = 0;
		ops2[d] = 0
	:: after[d] == name1[d] && name2[d] != 0 ->
		name2[d] = 0;
		ops2[d] = 0
	:: else
	fi;
	if
	:: name1[d] == 0 ->
		name1[d] = name[d];
		ops1[d] = ops[d]
	:: name1[d] != 0 && name2[d] == 0 ->
		name2[d] = name[d];
		ops2[d] = ops[d]
	:: else ->			/* its memory is bounded */
		base[d] = name1[d];
		name1[d] = name2[d];
		ops1[d] = ops2[d];
		name2[d] = name[d];
		ops2[d] = ops[d]
	fi
}

/* Nobody tells the daemon what became of it. Each claim has a name of its own:
 * what was sent under an earlier one is refused. */
#ifdef LATE
inline lose_acknowledgement(d)
{
	late_name = name[d];
	late_taken = taken[d];
	late_later = later[d];
	late_task = task[d];
	late_spoilt = spoilt[d];
	late_owner = d
}

inline end_late()
{
	late_name = 0;
	late_taken = 0;
	late_later = 0;
	late_task = 0;
	late_spoilt = 0;
	late_owner = 0
}
#endif

inline take_owner(d)
{
	owner = d;
#if defined(LATE) && !defined(SAME_OWNER)
	end_late()
#endif
}

/* It begins anew at the mark that it saw. */
inline rebase(d)
{
	base[d] = seen[d];
	name1[d] = 0;
	ops1[d] = 0;
	name2[d] = 0;
	ops2[d] = 0
}

inline set_mark(x, expected)
{
#ifdef CONDITIONAL
	if
	:: mark == expected ->
		mark = x;
		mark_after = expected
	:: else
	fi;
#else
	mark = x;
	mark_after = expected;
#endif
	assert(PROVED)
}

/* A batch is left behind: its last command may still be on the way. */
inline leave_stray(d)
{
	if
	:: at[d] == SEND && connected[d] ->
		if
		:: stray = name[d];
			stray_after = after[d]
		:: skip
		fi
	:: else
	fi
}

/* The mark was set after the last that is known to be right. */
#ifdef TRUST_UNKNOWN
#define SUCCEEDS(d) true
#else
#define SUCCEEDS(d) (seen_after[d] == HEAD(d))
#endif

/* The number is among what it remembers. */
#ifdef LATE
#define CLAIMED_ANEW(d) \
	(base[d] == number || name1[d] == number || name2[d] == number)
#else
#define CLAIMED_ANEW(d) false
#endif

#define REMEMBERS(d) (seen[d] == base[d] || seen[d] == name1[d])

#if defined(BLIND_ACK)
#define STILL_MINE(d) true
#elif defined(COMPARED_ACK)
#define STILL_MINE(d) (number == HEAD(d))
#else
#define STILL_MINE(d) (owner == d)
#endif

#ifdef REPLY_IGNORED
#define PROVEN(d) proven[d]
#else
#define PROVEN(d) (proven[d] && !refused[d])
#endif

/* The claim runs on the very session that holds L. */
#ifdef CLAIM_ELSEWHERE
#define CLAIMS(d) true
#else
#define CLAIMS(d) (lock == d)
#endif

proctype daemon(byte d)
{
	do
	:: atomic { at[d] == DOWN && lock == NOBODY ->
		lock = d;
		at[d] = JOIN
	   }
	/* one function, two statements: the second waits for nobody */
	:: atomic { at[d] == JOIN && CLAIMS(d) ->
#ifdef READ_FIRST
		base[d] = number;
#else
		take_owner(d);
#endif
		at[d] = READ
	   }
	:: atomic { at[d] == READ ->
#ifdef READ_FIRST
		take_owner(d);
#endif
		if
		:: CLAIMED_ANEW(d) -> at[d] = IDLE
		:: else ->
#ifndef READ_FIRST
			base[d] = number;
#endif
			connected[d] = true;
			at[d] = LOOK
		fi
	   }
	:: atomic { at[d] == LOOK && connected[d] ->
		seen[d] = mark;
		seen_after[d] = mark_after;
		at[d] = JUDGE
	   }
	:: atomic { at[d] == JUDGE ->
		if
		:: seen[d] == HEAD(d) -> at[d] = IDLE
		:: seen[d] != HEAD(d) && REMEMBERS(d) ->
#ifdef NO_REPLAY
			number = seen[d];
			rebase(d);
			at[d] = IDLE
#else
			/* Redis has gone back, but not too far: repeat */
			new_name(d);
			after[d] = seen[d];
			ops[d] = ops2[d];
			if
			:: seen[d] == base[d] -> ops[d] = ops[d] | ops1[d]
			:: else
			fi;
			left[d] = ops[d];
			at[d] = SEND
#endif
		:: seen[d] != HEAD(d) && !REMEMBERS(d) ->
			if
			:: !STILL_MINE(d) -> forget(d)
			:: STILL_MINE(d) && SUCCEEDS(d) ->
				/* applied, but not acknowledged: as nothing */
				number = seen[d];
				rebase(d);
				at[d] = IDLE
			:: STILL_MINE(d) && !SUCCEEDS(d) ->
				number = seen[d];
				rebase(d);
#ifdef ACCEPT_FIRST
				at[d] = FORGET
#else
				waiting = EVERYTHING;
				at[d] = IDLE
#endif
			fi
		fi;
		seen[d] = 0;
		seen_after[d] = 0
	   }
#ifdef ACCEPT_FIRST
	:: atomic { at[d] == FORGET ->
		waiting = EVERYTHING;
		at[d] = IDLE
	   }
#endif
	:: atomic { at[d] == IDLE && !connected[d] ->
		connected[d] = true;
		at[d] = LOOK
	   }
	:: atomic { at[d] == IDLE && connected[d] && mark != HEAD(d) ->
		at[d] = LOOK		/* every few seconds */
	   }
	:: atomic { at[d] == IDLE && connected[d] && FETCHABLE(d) != 0 ->
		new_name(d);
		after[d] = HEAD(d);
		fetch(d);
		if
		:: ops[d] = taken[d]
		:: later[d] = taken[d]		/* long work */
		fi;
		left[d] = ops[d];
		at[d] = SEND
	   }
	/* Redis is postponed: nothing proves anything, and no number is noted */
	:: atomic { at[d] == IDLE && !connected[d] && FETCHABLE(d) != 0 ->
		fetch(d);
		later[d] = taken[d];
		at[d] = ACK
	   }
	:: atomic { at[d] == IDLE && connected[d] && (waiting | begun) != 0 ->
		if
		:: STILL_MINE(d) ->
			begun = begun | waiting;
#ifndef SWALLOWED_TASK
			waiting = 0;
#endif
			new_name(d);
			after[d] = HEAD(d);
			task[d] = begun;
			ops[d] = begun;
			left[d] = ops[d];
			at[d] = SEND
		:: !STILL_MINE(d) -> forget(d)
		fi
	   }
	:: atomic { at[d] == SEND && connected[d] && left[d] != 0 ->
		/* its lowest key; a key of the future is cached again */
		held = held | (left[d] & -left[d] & committed);
		left[d] = left[d] & (left[d] - 1)
	   }
#ifndef LATE
	:: atomic { at[d] == SEND && connected[d] && left[d] != 0 && faults > 0 ->
		faults--;
		if
		:: refused[d] = true	/* what follows is on its way already */
		:: spoilt[d] = spoilt[d] | (left[d] & -left[d] & committed)
		fi;
		left[d] = left[d] & (left[d] - 1)
	   }
#endif
#ifdef UNMARKED_TASK
	:: atomic { at[d] == SEND && connected[d] && left[d] == 0 && task[d] != 0 ->
		end_task(d);
		drop_batch(d);
		at[d] = IDLE
	   }
	:: atomic { at[d] == SEND && connected[d] && left[d] == 0 && task[d] == 0 ->
#else
	:: atomic { at[d] == SEND && connected[d] && left[d] == 0 ->
#endif
		proven[d] = (mark == after[d]);
		set_mark(name[d], after[d]);
		at[d] = PROVE
	   }
	:: atomic { at[d] == PROVE && connected[d] ->
		if
		:: PROVEN(d) -> at[d] = ACK
		:: !PROVEN(d) ->
			drop_batch(d);
			at[d] = LOOK
		fi
	   }
	:: atomic { (at[d] == SEND || at[d] == PROVE) && !connected[d] ->
		drop_batch(d);
		at[d] = IDLE
	   }
	:: atomic { at[d] == LOOK && !connected[d] -> at[d] = IDLE }
	:: atomic { at[d] == ACK && name[d] == 0 ->
		pending = pending & ~taken[d];
		add_tasks(d);
		assert(PROVED)
	   }
	:: atomic { at[d] == ACK && name[d] != 0 ->
		if
		:: STILL_MINE(d) ->
			number = name[d];
			pending = pending & ~taken[d];
#ifndef LOST_REJECTION
			rejected = rejected | spoilt[d];
#endif
			end_task(d);
			remember(d);
			add_tasks(d);
			assert(PROVED)
		:: !STILL_MINE(d) -> forget(d)
		fi
	   }
#ifdef LATE
	:: atomic { at[d] == ACK && name[d] != 0 && late_name == 0 && faults > 0 ->
		faults--;
		lose_acknowledgement(d);
		remember(d);
		drop_batch(d);
#ifdef NOT_CLAIMED_ANEW
		at[d] = IDLE
#else
		at[d] = JOIN
#endif
	   }
#endif
#ifdef TASKS_LATER
	:: atomic { at[d] == ADD ->
		waiting = waiting | later[d];
		drop_batch(d);
		at[d] = IDLE
	   }
#endif

	/* it notices that L is not its own any more */
	:: atomic { at[d] != DOWN && lock != d ->
		leave_stray(d);
		forget(d)
	   }
#ifndef LATE
	/* a server that does not answer in time */
	:: atomic { at[d] == SEND && connected[d] && faults > 0 ->
		faults--;
		leave_stray(d);
		connected[d] = false
	   }
#endif
	/* L is lost with its session, and the daemon does not know it yet */
	:: atomic { lock == d && faults > 0 ->
		faults--;
		lock = NOBODY
	   }
#ifndef LATE
	/* kill -9; it is started again */
	:: atomic { at[d] != DOWN && faults > 0 ->
		faults--;
		leave_stray(d);
		forget(d)
	   }
#endif
	od
}

/*
 * A snapshot, or how far a replica or the append-only file has come: at any
 * time. To go back closes every connection.
 */
proctype redis()
{
	do
	:: atomic { faults > 0 && (saved_held != held || saved_mark != mark) ->
		saved_held = held;
		saved_mark = mark;
		saved_after = mark_after
	   }
	:: atomic { faults > 0 ->
		faults--;
		held = saved_held;
		mark = saved_mark;
		mark_after = saved_after;
		stray = 0;
		stray_after = 0;
		connected[0] = false;
		connected[1] = false;
		assert(PROVED)
	   }
	:: atomic { stray != 0 ->
		set_mark(stray, stray_after);
		stray = 0;
		stray_after = 0
	   }
	:: atomic { stray != 0 ->	/* it never arrives */
		stray = 0;
		stray_after = 0
	   }
	:: atomic { faults == 0 && (saved_held != 0 || saved_mark != 0) ->
		saved_held = 0;		/* of no use any more */
		saved_mark = 0;
		saved_after = 0
	   }
	od
}

#ifdef LATE
proctype server()
{
	do
	:: atomic { late_name != 0 && late_owner == owner ->
		number = late_name;
		pending = pending & ~late_taken;
		rejected = rejected | late_spoilt;
		begun = begun & ~late_task;
		waiting = waiting | late_later;
		end_late();
		assert(PROVED)
	   }
	:: atomic { late_name != 0 -> end_late() }	/* refused, or never */
	od
}
#endif

proctype writer()
{
	byte n;

	do
	:: atomic { n < CHANGES ->
		committed = committed | BIT(n);
		if
		:: pending = pending | BIT(n)
		:: waiting = waiting | BIT(n)	/* already made a task */
		fi;
		n++
	   }
	:: else -> break
	od
}

/* Nothing can happen any more: Redis must hold all, and the mark must say so. */
proctype judge()
{
	timeout ->
		assert(pending == 0 && waiting == 0 && begun == 0);
		assert((held | rejected) == committed);
#ifndef LATE	/* where a lost batch may be in Redis, its rows gone */
		assert(mark == number)
#endif
}

init {
	atomic {
		do
		:: faults < FAULTS -> faults++
		:: break
		od;
		run daemon(0);
#ifndef ALONE
		run daemon(1);
#endif
		run redis();
#ifdef LATE
		run server();
#endif
		run writer();
		run judge()
	}
}
