#include "team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

enum { LINE = 64, PAUSES = 64 };

/* The ticket says which phase runs (its serial number, upper half) and how many of its items nobody has taken yet. */
struct Team {
    _Alignas(LINE) atomic_uint_fast64_t ticket;
    _Alignas(LINE) atomic_int done; /* items of the running phase */
    _Alignas(LINE) atomic_int sleeping;
    atomic_bool stopping;
    _Alignas(LINE) Phase phases[MAX_PHASES + 1];
    uint32_t first; /* serial number of phases[0] */
    int count;
    void *context;
    pthread_mutex_t mutex; /* for who sleeps */
    pthread_cond_t changed;
    int threads;
    pthread_t *others;
};

typedef struct {
    Team *team;
    int number;
} Member;

static uint32_t serial_of(uint64_t ticket) { return (uint32_t)(ticket >> 32); }

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void publish(Team *team, uint32_t serial, int items) {
    atomic_store(&team->ticket, (uint64_t)serial << 32 | (uint32_t)items);
    if (atomic_load(&team->sleeping)) {
        pthread_mutex_lock(&team->mutex);
        pthread_cond_broadcast(&team->changed);
        pthread_mutex_unlock(&team->mutex);
    }
}

/* Publish the next phase that has items; after the last one, a ticket without any. */
static void advance(Team *team, uint32_t serial) {
    int next = (int)(serial - team->first) + 1;
    while (next < team->count && team->phases[next].items == 0)
        next++;
    atomic_store(&team->done, 0);
    publish(team, team->first + (uint32_t)next, next < team->count ? team->phases[next].items : 0);
}

/* Work on the phase that runs until none of its items is left; return its serial number. */
static uint32_t work(Team *team, int thread) {
    uint64_t ticket = atomic_load(&team->ticket);
    while ((uint32_t)ticket) {
        if (!atomic_compare_exchange_weak(&team->ticket, &ticket, ticket - 1))
            continue;
        const Phase *phase = &team->phases[serial_of(ticket) - team->first];
        int items = phase->items; /* once all are done, another program may take the phase's place */
        phase->run(team->context, phase->argument, (int)((uint32_t)items - (uint32_t)ticket), thread);
        if (atomic_fetch_add(&team->done, 1) + 1 == items)
            advance(team, serial_of(ticket));
        ticket = atomic_load(&team->ticket);
    }
    return serial_of(ticket);
}

/* Wait until the ticket is another than this serial number's empty one. */
static void wait_for_change(Team *team, uint32_t serial) {
    uint64_t empty = (uint64_t)serial << 32;
    int64_t until = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(&team->ticket, memory_order_relaxed) != empty)
                return;
            PAUSE();
        }
    } while (now_ns() < until);
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleeping, 1);
    while (atomic_load(&team->ticket) == empty && !atomic_load(&team->stopping))
        pthread_cond_wait(&team->changed, &team->mutex);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->mutex);
}

static void *member(void *argument) {
    Member self = *(Member *)argument;
    free(argument);
    while (!atomic_load(&self.team->stopping))
        wait_for_change(self.team, work(self.team, self.number));
    return NULL;
}

static bool start_member(Team *team, int number) {
    Member *self = malloc(sizeof *self);
    if (self == NULL)
        return false;
    *self = (Member){team, number};
    if (pthread_create(&team->others[number - 1], NULL, member, self) == 0)
        return true;
    free(self);
    return false;
}

Team *team_start(int threads) {
    Team *team = aligned_alloc(LINE, (sizeof(Team) + LINE - 1) / LINE * LINE);
    if (team == NULL)
        return NULL;
    memset(team, 0, sizeof *team);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->changed, NULL);
    team->others = calloc((size_t)threads, sizeof *team->others);
    team->threads = 1;
    while (team->others != NULL && team->threads < threads && start_member(team, team->threads))
        team->threads++;
    if (team->threads < threads) {
        team_stop(team);
        return NULL;
    }
    return team;
}

void team_stop(Team *team) {
    pthread_mutex_lock(&team->mutex);
    atomic_store(&team->stopping, true);
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
    for (int i = 0; i < team->threads - 1; i++)
        pthread_join(team->others[i], NULL);
    pthread_mutex_destroy(&team->mutex);
    pthread_cond_destroy(&team->changed);
    free(team->others);
    free(team);
}

int team_threads(const Team *team) { return team->threads; }

void team_run(Team *team, const Phase *phases, int count, void *context) {
    uint32_t before = serial_of(atomic_load(&team->ticket));
    memcpy(team->phases, phases, (size_t)count * sizeof *phases);
    team->context = context;
    team->count = count;
    team->first = before + 1;
    uint32_t end = team->first + (uint32_t)count;
    advance(team, before);
    for (uint32_t serial = work(team, 0); serial != end; serial = work(team, 0))
        wait_for_change(team, serial);
}
