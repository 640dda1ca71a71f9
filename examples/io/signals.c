/*
 * signals.c - a task that waits for signals, as a service does that reads its settings again
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/weir.h>

static int wait_for_reload(void *arg)
{
    (void)arg;
    weir_signal *reload;
    int rc = weir_signal_open((const int[]){SIGHUP, SIGUSR1}, 2, &reload);
    if (rc < 0)
        return rc;
    kill(getpid(), SIGHUP); /* somebody else, usually */
    kill(getpid(), SIGUSR1);
    weir_signal_info info;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = weir_signal_wait(reload, &info);
        if (rc == 0)
            printf("%s from %s\n", info.number == SIGHUP ? "SIGHUP" : "SIGUSR1",
                   info.pid == getpid() ? "ourselves" : "somebody");
    }
    weir_signal_close(reload);
    return rc;
}

int main(void)
{
    return weir_run(wait_for_reload, NULL);
}
