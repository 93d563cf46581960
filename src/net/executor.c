/* Threads for work that may block. One queue, first come first served. */
#include "net/net.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct weir_executor {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    weir_job *first;
    weir_job **tail; /* where the next job goes */
    bool closing;    /* run what is queued, then end */
    char name[16];
    unsigned threads_len;
    pthread_t threads[];
};

/* NULL: none is left and none will come. */
static weir_job *take_job(weir_executor *e)
{
    pthread_mutex_lock(&e->lock);
    while (!e->first && !e->closing)
        pthread_cond_wait(&e->ready, &e->lock);
    weir_job *job = e->first;
    if (job) {
        e->first = job->next;
        if (!e->first)
            e->tail = &e->first;
    }
    pthread_mutex_unlock(&e->lock);
    return job;
}

static void *work(void *arg)
{
    weir_executor *e = arg;
    (void)pthread_setname_np(pthread_self(), e->name); /* for people only */
    weir_job *job;
    while ((job = take_job(e)))
        job->run(job);
    return NULL;
}

/* Signals are for the main thread: an executor blocks them all. */
static int start_thread(weir_executor *e, size_t stack_size)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error)
        return -error;
    if (stack_size > 0)
        error = pthread_attr_setstacksize(&attr, stack_size);
    if (!error) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&e->threads[e->threads_len], &attr, work, e);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    if (!error)
        e->threads_len++;
    return -error;
}

int weir_executor_new(const char *name, unsigned threads, size_t stack_size, weir_executor **ret)
{
    assert(threads > 0);
    weir_executor *e = calloc(1, sizeof(*e) + threads * sizeof(e->threads[0]));
    if (!e)
        return -ENOMEM;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->ready, NULL);
    e->tail = &e->first;
    snprintf(e->name, sizeof(e->name), "%s", name);
    for (unsigned i = 0; i < threads; i++) {
        int r = start_thread(e, stack_size);
        if (r < 0) {
            weir_executor_free(e);
            return r;
        }
    }
    *ret = e;
    return 0;
}

void weir_executor_free(weir_executor *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->closing = true;
    pthread_cond_broadcast(&e->ready);
    pthread_mutex_unlock(&e->lock);
    for (unsigned i = 0; i < e->threads_len; i++)
        pthread_join(e->threads[i], NULL);
    pthread_cond_destroy(&e->ready);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

void weir_executor_submit(weir_executor *e, weir_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&e->lock);
    *e->tail = job;
    e->tail = &job->next;
    pthread_cond_signal(&e->ready);
    pthread_mutex_unlock(&e->lock);
}
