/*
 * fan_out.c - a hundred items, ten at a time
 *
 * weir_map() starts the next item when one has ended, keeps the results by position, and after a
 * failure starts no more. With one task an item nothing is polled and nothing is counted by hand.
 */
#include <stdio.h>
#include <weir/weir.h>

struct page {
    int number;
    int bytes;
};

static int under_way, most_under_way, started_count;

static int fetch(void *arg)
{
    struct page *page = arg;
    started_count++;
    if (++under_way > most_under_way)
        most_under_way = under_way;
    int rc = weir_sleep(2 * WEIR_MS);
    under_way--;
    if (rc < 0)
        return rc;
    if (page->number == 666)
        return weir_fail(-EPROTO, "page %d cannot be read", page->number);
    page->bytes = page->number * 10;
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    enum { COUNT = 100 };
    struct page pages[COUNT];
    for (int i = 0; i < COUNT; i++)
        pages[i] = (struct page){.number = i};
    const weir_map_options ten = {.running_max = 10};

    int rc = weir_map(&ten, fetch, pages, sizeof pages[0], COUNT, NULL);
    printf("%d of %d, at most %d at a time, the last has %d bytes: %s\n", started_count, COUNT,
           most_under_way, pages[COUNT - 1].bytes, rc == 0 ? "ok" : weir_failure_message(rc));

    started_count = 0;
    pages[40].number = 666;
    rc = weir_map(&ten, fetch, pages, sizeof pages[0], COUNT, NULL);
    printf("%s: %d of %d were started\n", weir_failure_message(rc), started_count, COUNT);
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
