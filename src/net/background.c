/*
 * Work that blocks, in a thread of its own.
 *
 * A task is shared by the event loop and its thread, and freed by whoever lets
 * go of it last.  The thread takes no signal: those are the event loop's.
 */
#include "net/background.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_THREADS 32
#define STACK_BYTES ((size_t)256 << 10) /* enough for modules of nsswitch */

struct task {
	atomic_int n_holders;
	int done_fd; /* an eventfd, readable when it is done */
	struct background_job job;
};

struct background {
	struct task *task;
	struct event *event;
	background_done_cb done;
	void *context;
};

static atomic_int n_threads;

static void
let_go(struct task *task)
{
	if (atomic_fetch_sub(&task->n_holders, 1) > 1)
		return;
	if (task->done_fd >= 0)
		(void)close(task->done_fd); /* nothing was written to disk */
	task->job.release(task->job.work);
	free(task);
}

static void
tell_done(const struct task *task)
{
	(void)eventfd_write(task->done_fd, 1); /* fails only above 2^64 */
}

static void *
run(void *arg)
{
	struct task *task = arg;

	task->job.run(task->job.work);
	tell_done(task);
	let_go(task);
	(void)atomic_fetch_sub(&n_threads, 1);
	return NULL;
}

static int
start_thread(struct task *task)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int failed;

	if (pthread_attr_init(&attributes) != 0)
		return -1;
	(void)sigfillset(&all);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, &attributes, run, task);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return failed == 0 ? 0 : -1;
}

static int
hand_to_thread(struct task *task, struct pgripple_error *err)
{
	if (atomic_fetch_add(&n_threads, 1) >= MAX_THREADS) {
		(void)atomic_fetch_sub(&n_threads, 1);
		return pgripple_error_set(err, PGRIPPLE_ERROR_LIMIT,
		    "could not start a thread: %d still wait for name servers "
		    "or sentinels",
		    MAX_THREADS);
	}
	(void)atomic_fetch_add(&task->n_holders, 1);
	if (start_thread(task) != 0) {
		(void)atomic_fetch_sub(&n_threads, 1);
		let_go(task);
		return pgripple_error_nomem(err);
	}
	return 0;
}

static void
on_done(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct background *background = arg;
	struct task *task = steal(&background->task);
	background_done_cb done = background->done;
	void *context = background->context;

	background_cancel(background);
	done(context, task->job.work);
	let_go(task);
}

/* Takes over the work. */
static struct task *
make_task(const struct background_job *job)
{
	struct task *task = calloc(1, sizeof(*task));

	if (task == NULL) {
		job->release(job->work);
		return NULL;
	}
	atomic_init(&task->n_holders, 1);
	task->job = *job;
	task->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (task->done_fd < 0) {
		let_go(task);
		return NULL;
	}
	return task;
}

int
background_start(struct event_base *base, const struct background_job *job,
    background_done_cb done, void *context, struct background **ret_background,
    struct pgripple_error *err)
{
	struct task *task = make_task(job);
	struct background *background = calloc(1, sizeof(*background));

	if (task == NULL || background == NULL) {
		if (task != NULL)
			let_go(task);
		free(background);
		return pgripple_error_nomem(err);
	}
	*background =
	    (struct background){.task = task, .done = done, .context = context};
	background->event =
	    event_new(base, task->done_fd, EV_READ, on_done, background);
	if (background->event == NULL ||
	    event_add(background->event, NULL) != 0) {
		background_cancel(background);
		return pgripple_error_nomem(err);
	}
	if (job->run == NULL) {
		tell_done(task);
	} else if (hand_to_thread(task, err) != 0) {
		background_cancel(background);
		return -1;
	}
	*ret_background = background;
	return 0;
}

void
background_cancel(struct background *background)
{
	if (background == NULL)
		return;
	if (background->event != NULL)
		event_free(background->event);
	if (background->task != NULL)
		let_go(background->task);
	free(background);
}
