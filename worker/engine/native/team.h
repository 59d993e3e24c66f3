/* A team of threads that runs programs: lists of phases, each a number of independent items.
 *
 * Items are taken from one counter, and a phase ends when its items are done, not when all threads have come: a thread
 * that lost its core holds up nothing but the item it was at. Who waits spins for SPIN_NS and then sleeps.
 */
#ifndef OSTINATO_TEAM_H
#define OSTINATO_TEAM_H

#include <stdint.h>

enum { MAX_PHASES = 2048, SPIN_NS = 50000 };

typedef struct {
    void (*run)(void *context, int argument, int item, int thread);
    int argument; /* what `run` gets beside the item: a layer's number, say */
    int items;
} Phase;

typedef struct Team Team;

/* Start a team of `threads`, the caller of team_run counted; NULL where the system has no more threads. */
Team *team_start(int threads);
void team_stop(Team *team);
int team_threads(const Team *team);

/* Run the phases one after the other, and return when all are done. One caller at a time. Phases without items are passed over. */
void team_run(Team *team, const Phase *phases, int count, void *context);

#endif
