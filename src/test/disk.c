/*
 * disk.c - what a body does to the simulated disk
 *
 * Runs on  the tasks of a round.
 */
#include "backend/sim_disk.h"
#include "test/test.h"

int weir_test_disk_set(const weir_test_disk *disk)
{
    return weir__test_round() == NULL ? -EPERM : weir__sim_disk_set(disk);
}

int weir_test_disk_stop_after(uint64_t changes)
{
    return weir__test_round() == NULL ? -EPERM : weir__sim_disk_stop_after(changes);
}

bool weir_test_disk_stopped(void)
{
    return weir__test_round() != NULL && weir__sim_disk_stopped();
}

int weir_test_disk_crash(void)
{
    return weir__test_round() == NULL ? -EPERM : weir__sim_disk_crash();
}
