#include <weir/app.h>
#include <weir/weir.h>

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .max_len = 120, .doc = "what to buy"),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct {
    const char *status;
} started;
WEIR_MODEL(started, WEIR_FIELD(status))

struct fulfil {
    int32_t count;
};
static int fulfil(struct fulfil *a) // goes on after the answer; SIGTERM waits for it
{
    return weir_sleep(a->count * WEIR_SEC);
}

WEIR_HANDLER(process, order, started) // *in has been checked; 422 lists all that is wrong
{
    *out = (started){.status = "started"};
    return WEIR_BACKGROUND(request, fulfil, .count = in->count);
}

static const weir_route routes[] = {
    WEIR_POST("/process", process, .status = 202, .summary = "Start processing an order"),
    {0},
};

int main(int argc, char **argv)
{
    return weir_app_main(argc, argv, &(weir_app_options){.name = "orders", .routes = routes});
}
