/*
 * pipeline.c - read, work, write: each stage at its own pace, and none runs ahead
 *
 * A channel with room for one lets a fast stage work ahead by one item and then makes it wait:
 * that is the back-pressure. Closing a channel tells the next stage that nothing more will come.
 * When a stage fails, the group cancels the others, wherever they wait.
 */
#include <stdio.h>
#include <weir/weir.h>

struct read_lines {
    weir_channel *out;
    size_t *read_count;
};

static int read_lines(struct read_lines *a)
{
    int rc = 0;
    for (int number = 1; rc == 0 && number <= 8; number++) {
        ++*a->read_count;
        rc = weir_channel_send(a->out, &number);
    }
    weir_channel_close(a->out);
    return rc;
}

struct square_all {
    weir_channel *in;
    weir_channel *out;
};

static int square_all(struct square_all *a)
{
    int number, rc;
    while ((rc = weir_channel_recv(a->in, &number)) == 0) {
        number *= number;
        rc = weir_channel_send(a->out, &number);
        if (rc < 0)
            break;
    }
    weir_channel_close(a->out);
    return rc == -EPIPE ? 0 : rc; // the one before has closed: that is the end, no failure
}

struct write_slowly {
    weir_channel *in;
    const size_t *read_count;
};

static int write_slowly(struct write_slowly *a)
{
    int number, rc;
    while ((rc = weir_channel_recv(a->in, &number)) == 0) {
        rc = weir_sleep(5 * WEIR_MS);
        if (rc < 0)
            return rc;
        printf("%d, after %zu were read\n", number, *a->read_count);
    }
    return rc == -EPIPE ? 0 : rc;
}

static int app(void *arg)
{
    (void)arg;
    const weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 1};
    weir_channel *numbers, *squares = NULL;
    size_t read_count = 0;
    int rc = weir_channel_new(&options, &numbers);
    if (rc < 0)
        return rc;
    rc = weir_channel_new(&options, &squares);
    if (rc < 0)
        goto free_numbers;

    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        goto free_squares;
    rc = WEIR_SPAWN(group, read_lines, .out = numbers, .read_count = &read_count);
    if (rc == 0)
        rc = WEIR_SPAWN(group, square_all, .in = numbers, .out = squares);
    if (rc == 0)
        rc = WEIR_SPAWN(group, write_slowly, .in = squares, .read_count = &read_count);
    rc = weir_group_close(group, rc);

free_squares:
    weir_channel_free(squares);
free_numbers:
    weir_channel_free(numbers);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
