/*
 * crash_test.c - killed at any moment: what was acknowledged is there, and nothing else was
 * invented
 *
 * A child writes numbers and, once a call has returned success, sends the number to us. We kill it
 * in the middle, look into the file, and start it again on the same file.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/sqlite.h>
#include <weir/weir.h>

#include "tests/support/test.h"

enum { ROUNDS = 12, WRITERS = 16, NUMBERS_MAX = 1 << 20 };

static const char *const schema[] = {"CREATE TABLE acks (number INTEGER PRIMARY KEY, twin INTEGER)",
                                     NULL};
static unsigned char acknowledged[NUMBERS_MAX];

/* --- the child -------------------------------------------------------------------------------- */

struct child {
    const char *path;
    int out_fd;
    int next;
    weir_sqlite *db;
};

static int add_twins(weir_sqlite_tx *tx, void *arg)
{
    const int *number = arg;
    ssize_t rc =
        weir_sqlite_tx_run(tx, "INSERT INTO acks VALUES (?1, ?2)", WEIR_SQL(*number, *number + 1));
    if (rc >= 0)
        rc = weir_sqlite_tx_run(tx, "INSERT INTO acks VALUES (?1, ?2)",
                                WEIR_SQL(*number + 1, *number));
    return rc < 0 ? (int)rc : 0;
}

struct writer {
    struct child *child;
};
static int writer(struct writer *a)
{
    struct child *child = a->child;
    for (;;) {
        int number = child->next;
        child->next += 2;
        int rc = weir_sqlite_transaction(child->db, add_twins, &number);
        if (rc < 0)
            return rc;
        if (write(child->out_fd, &number, sizeof number) != sizeof number)
            return -EPIPE;
    }
}

static int child_main(void *arg)
{
    struct child *child = arg;
    int rc = weir_sqlite_open(child->path, &(weir_sqlite_options){.schema = schema}, &child->db);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    for (int i = 0; rc == 0 && i < WRITERS; i++)
        rc = WEIR_SPAWN(group, writer, child);
    return weir_group_close(group, rc);
}

/* --- us --------------------------------------------------------------------------------------- */

static pid_t start_child(const char *path, int first, int *out_fd)
{
    int fds[2];
    if (pipe(fds) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        struct child child = {.path = path, .out_fd = fds[1], .next = first};
        _exit(weir_run_with(NULL, child_main, &child) < 0 ? 1 : 0);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

/* Numbers until `count` have come, or the end. Returns how many, and the greatest. */
static int take_acks(int fd, int count, int *greatest)
{
    int taken = 0;
    int number;
    while (taken < count && read(fd, &number, sizeof number) == sizeof number) {
        if (number < 0 || number + 1 >= NUMBERS_MAX)
            break;
        acknowledged[number] = acknowledged[number + 1] = 1;
        if (number > *greatest)
            *greatest = number;
        taken++;
    }
    return taken;
}

struct look {
    int lost;
    int torn; /* one twin without the other */
    int rows;
    int greatest;
};

static struct look look_into(const char *path)
{
    static unsigned char present[NUMBERS_MAX];
    memset(present, 0, sizeof present);
    struct look look = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    EXPECT_EQ(SQLITE_OK, sqlite3_open(path, &db));
    EXPECT_EQ(SQLITE_OK, sqlite3_prepare_v2(db, "SELECT number FROM acks", -1, &statement, NULL));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        int number = sqlite3_column_int(statement, 0);
        present[number] = 1;
        look.rows++;
        if (number > look.greatest)
            look.greatest = number;
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    for (int i = 0; i < NUMBERS_MAX; i += 2) {
        look.lost += acknowledged[i] && !present[i];
        look.lost += acknowledged[i + 1] && !present[i + 1];
        look.torn += present[i] != present[i + 1];
    }
    return look;
}

static void remove_files(const char *path, const char *folder)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
}

TEST(nothing_acknowledged_is_lost_when_the_process_is_killed)
{
    char folder[] = "/tmp/weir-sqlite-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char path[64];
    snprintf(path, sizeof path, "%s/acks.db", folder);
    signal(SIGPIPE, SIG_IGN);
    int next = 0;
    int total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int fd = -1;
        pid_t pid = start_child(path, next, &fd);
        REQUIRE(pid > 0);
        int greatest = next;
        int count = take_acks(fd, 20 + round * 37 % 200, &greatest);
        kill(pid, SIGKILL);
        count += take_acks(fd, NUMBERS_MAX, &greatest); /* what was in the pipe counts too */
        close(fd);
        waitpid(pid, NULL, 0);
        EXPECT(count > 0);
        total += count;
        struct look look = look_into(path);
        EXPECT_EQ(0, look.lost);
        EXPECT_EQ(0, look.torn);
        next = (look.greatest > greatest ? look.greatest : greatest) / 2 * 2 + 2;
    }
    EXPECT(total >= ROUNDS * 20);
    remove_files(path, folder);
}
