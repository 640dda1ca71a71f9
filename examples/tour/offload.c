/* offload.c - what blocks or computes goes to a thread; only this task waits */
#include <stdio.h>
#include <weir/weir.h>

struct count_primes {
    int below;
    int count;
};

static int count_primes(void *arg) // a job: an ordinary function, on a thread of the pool
{
    struct count_primes *a = arg;
    for (int n = 2; n < a->below; n++) {
        bool prime = true;
        for (int d = 2; prime && d * d <= n; d++)
            prime = n % d != 0;
        a->count += prime;
        if (n % 1000 == 0 && weir_job_cancelled())
            return weir_fail(-EINTR, "nobody wants to know any more");
    }
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    struct count_primes job = {.below = 100000}; // our stack: the job ends before we go on
    int rc = weir_offload(NULL, count_primes, &job);
    if (rc == 0)
        printf("%d primes\n", job.count);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
