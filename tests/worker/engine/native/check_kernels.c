/* Check all kernels that this CPU runs, products, complete steps, an LSTM and the codec's layers; print a digest of each kind's results, or what failed. */
#include "convolution_check.h"
#include "products_check.h"
#include "recurrence_check.h"
#include "step_check.h"

int main(void) {
    Team *team = team_start(THREADS);
    if (team == NULL)
        return 2;
    for (const Kernels *const *k = kernels_here(); *k != NULL; k++) {
        check_products(*k, team);
        check_steps(*k, team);
        check_recurrence(*k, team);
        check_convolution(*k, team);
    }
    team_stop(team);
    return 0;
}
