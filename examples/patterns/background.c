/*
 * background.c - work that outlives the request it came from
 *
 * A request that would spawn it into a group of its own would have to wait for it. So it goes into
 * a group of somebody who lives longer: here the group of the program, in a service that of the
 * application (WEIR_BACKGROUND). That one waits for it, and hears of its failures: there is no
 * reference to keep, and no task that nobody knows.
 */
#include <stdio.h>
#include <weir/weir.h>

struct send_mail {
    const char *user; // lives longer than the mail: a literal here, else it is copied
};

static int send_mail(struct send_mail *a)
{
    int rc = weir_sleep(50 * WEIR_MS);
    if (rc < 0)
        return rc;
    if (a->user[0] == '\0')
        return weir_fail(-EINVAL, "@example.org is no address");
    printf("mail to %s@example.org: sent\n", a->user);
    return 0;
}

struct answer {
    weir_group *background;
    const char *user;
};

static int answer(struct answer *a)
{
    int rc = WEIR_SPAWN(a->background, send_mail, .user = a->user);
    printf("answer to %s: %s\n", a->user[0] == '\0' ? "nobody" : a->user,
           rc == 0 ? "welcome" : weir_code_name(rc));
    return rc;
}

static int serve_all(weir_group *background)
{
    const char *users[] = {"ann", "", "bob"};
    weir_group *requests;
    int rc = weir_group_open(&requests, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = WEIR_SPAWN(requests, answer, .background = background, .user = users[i]);
    return weir_group_close(requests, rc); // does not wait for the mails
}

static int app(void *arg)
{
    (void)arg;
    weir_group *background;
    /* One that fails says so, and the others go on. */
    int rc = weir_group_open(
        &background, &(weir_group_options){.policy = WEIR_COLLECT_ALL, .name = "background"});
    if (rc < 0)
        return rc;
    rc = serve_all(background);
    printf("all requests are answered, %zu mails are on their way\n", weir_group_count(background));
    rc = weir_group_close(background, rc);
    printf("the background has ended: %s\n", rc == 0 ? "ok" : weir_failure_message(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
