/* Run programs on teams of many sizes; every phase reads what the one before wrote, in memory that nothing guards.
 *
 * So a phase that begins too early, or an item that is taken twice, gives other sums, and is a race that
 * -fsanitize=thread sees.
 */
#include "team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ITEMS = 64, PHASES = 50, MOST_THREADS = 9 };

static long numbers[2][ITEMS];

static void write_item(long from[ITEMS], long to[ITEMS], int count, int item) {
    long sum = 0;
    for (int i = 0; i < ITEMS; i++)
        sum += from[i];
    to[item] = sum % 1000003 + count + item;
}

static void run(void *context, int argument, int item, int thread) {
    (void)thread;
    write_item(numbers[(argument + 1) % 2], numbers[argument % 2], *(int *)context, item);
}

static int items_of(int phase) { return phase % 7 == 3 ? 0 : phase % 5 == 1 ? 1 : ITEMS - phase; }

/* Run a program of so many phases; tell whether it gave what one thread without a team does. */
static int is_right(Team *team, int count) {
    Phase phases[PHASES];
    long wanted[2][ITEMS];
    memcpy(wanted, numbers, sizeof numbers);
    for (int p = 0; p < count; p++) {
        phases[p] = (Phase){run, p, items_of(p)};
        for (int item = 0; item < items_of(p); item++)
            write_item(wanted[(p + 1) % 2], wanted[p % 2], count, item);
    }
    team_run(team, phases, count, &count);
    return memcmp(wanted, numbers, sizeof numbers) == 0;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        Team *team = team_start(threads);
        if (team == NULL)
            return 2;
        for (int round = 0; round < rounds; round++) {
            if (!is_right(team, round % PHASES + 1)) {
                printf("%d threads gave other sums in round %d\n", threads, round);
                return 1;
            }
            if (round % 20 == 0) /* let all of them fall asleep */
                nanosleep(&(struct timespec){0, 300000}, NULL);
        }
        team_stop(team);
    }
    return 0;
}
