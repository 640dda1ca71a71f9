/*
 * settings.c - options from the command line and the environment, --help
 *
 * One table for what every service has and one of the service's own, read by the same rules: the
 * default, then the environment, then the command line. What is wrong is said with its place and
 * what to do, and nothing has been started by then.
 *
 * Runs on  the first thread, before any loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/net.h>

#include "app/app.h"
#include "base/str.h"
#include "base/sys.h"
#include "model/json.h"

enum { NAME_BYTES = 64, NEAR_MAX = 2 };

struct reader {
    const weir_app_options *options;
    const char *program;
    char prefix[NAME_BYTES];
    weir_app_option *built_in; /* ends with zeros */
    struct weir__app_settings *settings;
    bool failed;
};

/* --- the tables ------------------------------------------------------------------------------- */

static const weir_app_option built_in_options[] = {
    WEIR_APP_OPTION(struct weir__app_settings, listen, .value = "ADDRESS",
                    .doc = "where to accept connections; port 0 takes a free one"),
    WEIR_APP_OPTION(struct weir__app_settings, workers, .value = "N", .min = 1,
                    .max = WEIR__APP_WORKERS_MAX, .doc = "threads that serve"),
    WEIR_APP_OPTION(struct weir__app_settings, drain_timeout_ns, .name = "drain-timeout",
                    .duration = true, .min = 100 * WEIR_MS, .max = WEIR_HOUR,
                    .doc = "time for what is running to end after SIGTERM; above that it is cut"),
    WEIR_APP_OPTION(
        struct weir__app_settings, backend, .one_of = "uring|epoll",
        .doc = "how to hear from the kernel; without it io_uring where it is allowed, else epoll"),
    WEIR_APP_OPTION(struct weir__app_settings, log, .or_else = "text", .one_of = "text|json",
                    .doc = "form of the log, on standard error"),
    WEIR_APP_OPTION(struct weir__app_settings, log_level, .or_else = "info",
                    .one_of = "debug|info|warn|error", .doc = "least level that is logged"),
    WEIR_APP_OPTION(struct weir__app_settings, edge,
                    .doc = "clients come from anywhere, and not through a proxy: limits what one "
                           "address may take"),
    WEIR_APP_OPTION(struct weir__app_settings, connections_per_address,
                    .doc = "connections of one address (IPv6: of one /64); more are closed; 0: no "
                           "limit, with --edge 256"),
    WEIR_APP_OPTION(struct weir__app_settings, queue_delay_ns, .name = "queue-delay",
                    .duration = true, .min = WEIR_MS, .max = WEIR_HOUR,
                    .doc = "above this delay between a request and its handler, requests are "
                           "answered 503"),
    WEIR_APP_OPTION(struct weir__app_settings, limits,
                    .doc = "print every limit of the server and what it is, and end"),
    WEIR_APP_OPTION(struct weir__app_settings, access_log, .value = "on|off", .or_else = "on",
                    .doc = "one line for each request"),
};
enum { BUILT_IN_COUNT = sizeof built_in_options / sizeof *built_in_options };

static void option_name(const weir_app_option *option, char out_name[NAME_BYTES])
{
    const char *from = option->name != NULL ? option->name : option->member;
    size_t size = strnlen(from, NAME_BYTES - 1);
    for (size_t i = 0; i < size; i++)
        out_name[i] = from[i] == '_' ? '-' : from[i];
    out_name[size] = '\0';
}

/* ORDERS_DRAIN_TIMEOUT for --drain-timeout. */
static void variable_name(const struct reader *reader, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s_%s", reader->prefix, name);
    for (char *c = out + strlen(reader->prefix); *c != '\0'; c++)
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
}

static void set_prefix(struct reader *reader)
{
    const char *from =
        reader->options->env_prefix != NULL ? reader->options->env_prefix : reader->program;
    size_t size = strnlen(from, sizeof reader->prefix - 1);
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        reader->prefix[i] = !letter ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    reader->prefix[size] = '\0';
}

/* --- values ----------------------------------------------------------------------------------- */

/* Where a value came from, for messages. */
struct source {
    const char *place; /* "--workers", "ORDERS_WORKERS" */
    bool environment;
};

static void complain(struct reader *reader, const struct source *source, const char *text,
                     const char *format, ...) WEIR_PRINTF(4, 5);
static void complain(struct reader *reader, const struct source *source, const char *text,
                     const char *format, ...)
{
    char wanted[200];
    va_list args;
    va_start(args, format);
    vsnprintf(wanted, sizeof wanted, format, args);
    va_end(args);
    fprintf(stderr, "%s: %s%s: '%s' %s\n", reader->program, source->place,
            source->environment ? " in the environment" : "", text, wanted);
    reader->failed = true;
}

void weir__app_format_duration(int64_t ns, char *out, size_t size)
{
    static const struct {
        int64_t ns;
        const char *unit;
    } units[] = {
        {WEIR_HOUR, "h"}, {WEIR_MIN, "m"}, {WEIR_SEC, "s"}, {WEIR_MS, "ms"}, {WEIR_US, "us"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ns != 0 && ns % units[i].ns == 0) {
            snprintf(out, size, "%lld%s", (long long)(ns / units[i].ns), units[i].unit);
            return;
        }
    }
    snprintf(out, size, "%lldns", (long long)ns);
}

static bool is_limited(const weir_app_option *option)
{
    return option->min != 0 || option->max != 0;
}

/* The range of an integer option: its type's, and its own. */
static void range_of(const weir_app_option *option, int64_t *out_min, int64_t *out_max)
{
    *out_min = option->kind == WEIR_APP_OPTION_INT32   ? INT32_MIN
               : option->kind == WEIR_APP_OPTION_INT64 ? INT64_MIN
                                                       : 0;
    *out_max = option->kind == WEIR_APP_OPTION_INT32    ? INT32_MAX
               : option->kind == WEIR_APP_OPTION_UINT32 ? (int64_t)UINT32_MAX
                                                        : INT64_MAX;
    if (!is_limited(option))
        return;
    if (option->min > *out_min)
        *out_min = option->min;
    if (option->max < *out_max && option->max >= option->min)
        *out_max = option->max;
}

static void read_integer(struct reader *reader, const weir_app_option *option,
                         const struct source *source, const char *text, void *slot)
{
    int64_t least, greatest, value;
    range_of(option, &least, &greatest);
    int rc = weir__str_parse_int(weir__str_from(text), least, greatest, &value);
    if (rc < 0) {
        if (is_limited(option) || rc == -ERANGE)
            complain(reader, source, text, "is not a whole number from %lld to %lld",
                     (long long)least, (long long)greatest);
        else
            complain(reader, source, text, "is not a whole number");
        return;
    }
    if (option->kind == WEIR_APP_OPTION_INT32)
        *(int32_t *)slot = (int32_t)value;
    else if (option->kind == WEIR_APP_OPTION_UINT32)
        *(uint32_t *)slot = (uint32_t)value;
    else
        memcpy(slot, &value, sizeof value);
}

static void read_duration(struct reader *reader, const weir_app_option *option,
                          const struct source *source, const char *text, void *slot)
{
    int64_t value;
    if (weir__str_parse_duration(weir__str_from(text), &value) < 0) {
        complain(reader, source, text, "is no duration: write 25s, 500ms, 2m or 1h");
        return;
    }
    if (is_limited(option) && (value < option->min || value > option->max)) {
        char least[32], greatest[32];
        weir__app_format_duration(option->min, least, sizeof least);
        weir__app_format_duration(option->max, greatest, sizeof greatest);
        complain(reader, source, text, "is not from %s to %s", least, greatest);
        return;
    }
    *(int64_t *)slot = value;
}

static void read_double(struct reader *reader, const weir_app_option *option,
                        const struct source *source, const char *text, void *slot)
{
    struct weir__json json;
    struct weir__json_number number;
    double value = 0;
    weir__json_init(&json, weir__str_from(text));
    int rc = weir__json_peek(&json);
    rc = rc == WEIR__JSON_NUMBER ? weir__json_read_number(&json, &number) : -EINVAL;
    if (rc == 0)
        rc = weir__json_finish(&json);
    if (rc == 0)
        rc = weir__json_to_double(&number, &value);
    if (rc < 0)
        complain(reader, source, text, "is not a number");
    else if (is_limited(option) && (value < (double)option->min || value > (double)option->max))
        complain(reader, source, text, "is not from %lld to %lld", (long long)option->min,
                 (long long)option->max);
    else
        *(double *)slot = value;
}

static int as_switch(const char *text)
{
    static const char *const on[] = {"on", "true", "yes", "1"};
    static const char *const off[] = {"off", "false", "no", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, on[i]) == 0)
            return 1;
        if (strcmp(text, off[i]) == 0)
            return 0;
    }
    return -1;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (;;) {
        const char *end = strchrnul(choices, '|');
        if ((size_t)(end - choices) == size && memcmp(choices, text, size) == 0)
            return true;
        if (*end == '\0')
            return false;
        choices = end + 1;
    }
}

static void set_value(struct reader *reader, const weir_app_option *option, void *base,
                      const struct source *source, const char *text)
{
    void *slot = (char *)base + option->offset;
    if (option->one_of != NULL && !is_choice(option->one_of, text)) {
        complain(reader, source, text, "is none of %s", option->one_of);
        return;
    }
    switch (option->kind) {
    case WEIR_APP_OPTION_BOOL: {
        int value = as_switch(text);
        if (value < 0)
            complain(reader, source, text, "is neither on nor off");
        else
            *(bool *)slot = value != 0;
        break;
    }
    case WEIR_APP_OPTION_DOUBLE:
        read_double(reader, option, source, text, slot);
        break;
    case WEIR_APP_OPTION_TEXT:
        *(const char **)slot = text;
        break;
    case WEIR_APP_OPTION_DURATION:
        read_duration(reader, option, source, text, slot);
        break;
    default:
        if (option->duration)
            read_duration(reader, option, source, text, slot);
        else
            read_integer(reader, option, source, text, slot);
        break;
    }
}

/* --- help ------------------------------------------------------------------------------------- */

static const char *value_word(const weir_app_option *option)
{
    if (option->value != NULL)
        return option->value;
    if (option->one_of != NULL)
        return option->one_of;
    if (option->duration || option->kind == WEIR_APP_OPTION_DURATION)
        return "TIME";
    switch (option->kind) {
    case WEIR_APP_OPTION_BOOL:
        return "on|off";
    case WEIR_APP_OPTION_TEXT:
        return "TEXT";
    default:
        return "N";
    }
}

static void print_option(const weir_app_option *option)
{
    char name[NAME_BYTES];
    char left[NAME_BYTES * 2];
    option_name(option, name);
    snprintf(left, sizeof left, "--%s %s", name, value_word(option));
    printf("  %-26s", left);
    if (strlen(left) > 25)
        printf("\n%28s", "");
    printf("%s", option->doc != NULL ? option->doc : "");
    if (option->required)
        printf("%s(required)", option->doc != NULL ? " " : "");
    else if (option->or_else != NULL)
        printf("%s(default: %s)", option->doc != NULL ? " " : "", option->or_else);
    printf("\n");
}

static void print_help(const struct reader *reader)
{
    const weir_app_options *options = reader->options;
    printf("%s %s", reader->program, options->version != NULL ? options->version : "0.0.0");
    if (options->doc != NULL)
        printf(" - %s", options->doc);
    printf("\n\nusage: %s [options]\n\n", reader->program);
    if (options->options != NULL && options->options[0].member != NULL) {
        for (const weir_app_option *option = options->options; option->member != NULL; option++)
            print_option(option);
        printf("\n");
    }
    printf("of every service:\n");
    for (const weir_app_option *option = reader->built_in; option->member != NULL; option++)
        print_option(option);
    printf("  %-26s%s\n  %-26s%s\n", "--help", "this text", "--version", "name and version");
    printf(
        "\nEach option is also a variable of the environment: --listen is %s_LISTEN. The command\n"
        "line wins.\n"
        "\nExit status: 0 all ended by itself, 1 it could not start or a worker failed, 64 a "
        "wrong\n"
        "option, 75 something was cut, 124 a loop was stuck, 130 or 143 ended by a third signal.\n",
        reader->prefix);
}

/* --- the command line ------------------------------------------------------------------------- */

static const weir_app_option *find_in(const weir_app_option *table, const char *name, size_t size)
{
    for (const weir_app_option *option = table; option != NULL && option->member != NULL;
         option++) {
        char own[NAME_BYTES];
        option_name(option, own);
        if (strlen(own) == size && memcmp(own, name, size) == 0)
            return option;
    }
    return NULL;
}

/* How many letters have to change (Levenshtein), for names of less than NAME_BYTES. */
static size_t distance(const char *a, size_t a_size, const char *b)
{
    size_t b_size = strlen(b);
    size_t row[NAME_BYTES + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_size];
}

static void suggest_from(const weir_app_option *table, const char *name, size_t size, char *near,
                         size_t *nearest)
{
    for (const weir_app_option *option = table; option != NULL && option->member != NULL;
         option++) {
        char own[NAME_BYTES];
        option_name(option, own);
        size_t far = distance(name, size, own);
        if (far < *nearest) {
            *nearest = far;
            memcpy(near, own, sizeof own);
        }
    }
}

static void complain_unknown(struct reader *reader, const char *argument, const char *name,
                             size_t size)
{
    char near[NAME_BYTES];
    size_t nearest = NEAR_MAX + 1;
    if (size < NAME_BYTES) {
        suggest_from(reader->options->options, name, size, near, &nearest);
        suggest_from(reader->built_in, name, size, near, &nearest);
    }
    if (nearest <= NEAR_MAX)
        fprintf(stderr, "%s: there is no option %s; is --%s meant?\n", reader->program, argument,
                near);
    else
        fprintf(stderr, "%s: there is no option %s; --help lists them\n", reader->program,
                argument);
    reader->failed = true;
}

/* Returns how many arguments were used. */
static int read_argument(struct reader *reader, int left, char **arguments)
{
    const char *argument = arguments[0];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        fprintf(stderr, "%s: '%s' is no option; --help lists them\n", reader->program, argument);
        reader->failed = true;
        return 1;
    }
    const char *name = argument + 2;
    const char *equals = strchrnul(name, '=');
    size_t size = (size_t)(equals - name);
    void *base = reader->options->settings;
    const weir_app_option *option = find_in(reader->options->options, name, size);
    if (option == NULL) {
        base = reader->settings;
        option = find_in(reader->built_in, name, size);
    }
    if (option == NULL) {
        complain_unknown(reader, argument, name, size);
        /* What follows is its value, most likely; one complaint is enough. */
        return *equals == '\0' && left > 1 && strncmp(arguments[1], "--", 2) != 0 ? 2 : 1;
    }
    char place[NAME_BYTES + 2];
    snprintf(place, sizeof place, "--%.*s", (int)(size < NAME_BYTES ? size : NAME_BYTES - 1), name);
    struct source source = {.place = place};
    if (*equals == '=') {
        set_value(reader, option, base, &source, equals + 1);
        return 1;
    }
    bool is_switch = option->kind == WEIR_APP_OPTION_BOOL;
    if (is_switch && (left < 2 || as_switch(arguments[1]) < 0)) {
        set_value(reader, option, base, &source, "on");
        return 1;
    }
    if (left < 2 || strncmp(arguments[1], "--", 2) == 0) {
        fprintf(stderr, "%s: %s wants a value: %s %s\n", reader->program, place, place,
                value_word(option));
        reader->failed = true;
        return 1;
    }
    set_value(reader, option, base, &source, arguments[1]);
    return 2;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void read_environment(struct reader *reader, const weir_app_option *table, void *base)
{
    for (const weir_app_option *option = table; option != NULL && option->member != NULL;
         option++) {
        char name[NAME_BYTES];
        char variable[NAME_BYTES * 2 + 2];
        option_name(option, name);
        char place[NAME_BYTES + 32];
        snprintf(place, sizeof place, "the default of --%s", name);
        struct source source = {.place = place};
        if (option->or_else != NULL)
            set_value(reader, option, base, &source, option->or_else);
        variable_name(reader, name, variable, sizeof variable);
        const char *text = getenv(variable);
        if (text == NULL)
            continue;
        source = (struct source){.place = variable, .environment = true};
        set_value(reader, option, base, &source, text);
    }
}

/* A required text is there when it is not NULL; other kinds are always something. */
static void check_required(struct reader *reader)
{
    for (const weir_app_option *option = reader->options->options;
         option != NULL && option->member != NULL; option++) {
        const char *const *slot =
            (const char *const *)(void *)((char *)reader->options->settings + option->offset);
        if (!option->required || option->kind != WEIR_APP_OPTION_TEXT || *slot != NULL)
            continue;
        char name[NAME_BYTES];
        char variable[NAME_BYTES * 2 + 2];
        option_name(option, name);
        variable_name(reader, name, variable, sizeof variable);
        fprintf(stderr, "%s: --%s %s is required (or %s in the environment)\n", reader->program,
                name, value_word(option), variable);
        reader->failed = true;
    }
}

static void check_listen(struct reader *reader)
{
    weir_address address;
    const char *text = reader->settings->listen;
    if (weir_address_parse(text, &address) == 0)
        return;
    struct source source = {.place = "--listen"};
    complain(reader, &source, text,
             "is no address: write 127.0.0.1:8080, 0.0.0.0:8080, [::]:8080 or unix:/run/my.sock");
}

/* Texts of defaults that the service may choose. */
struct default_texts {
    char workers[16];
    char drain_timeout[32];
    char per_address[24];
    char queue_delay[32];
};

static size_t cap_workers(unsigned wanted)
{
    unsigned count = wanted != 0 ? wanted : (unsigned)weir__sys_cpu_count();
    return count > WEIR__APP_WORKERS_MAX ? WEIR__APP_WORKERS_MAX : count;
}

static void write_defaults(const weir_app_options *options, struct default_texts *out)
{
    const weir_http_limits *limits = &options->http.limits;
    int64_t drain_ns = options->drain_timeout_ns != 0 ? options->drain_timeout_ns : 25 * WEIR_SEC;
    int64_t delay_ns = limits->queue_delay_max_ns != 0 ? limits->queue_delay_max_ns : 500 * WEIR_MS;
    size_t most = limits->address_connections_max;
    snprintf(out->workers, sizeof out->workers, "%zu", cap_workers(options->workers));
    weir__app_format_duration(drain_ns, out->drain_timeout, sizeof out->drain_timeout);
    snprintf(out->per_address, sizeof out->per_address, "%zu", most == WEIR_UNLIMITED ? 0 : most);
    weir__app_format_duration(delay_ns < WEIR_HOUR ? delay_ns : WEIR_HOUR, out->queue_delay,
                              sizeof out->queue_delay);
}

static void fill_built_in(const weir_app_options *options, weir_app_option *table,
                          struct default_texts *texts)
{
    write_defaults(options, texts);
    const struct {
        const char *member;
        const char *text;
    } defaults[] = {
        {"listen", options->listen != NULL ? options->listen : "127.0.0.1:8080"},
        {"workers", texts->workers},
        {"drain_timeout_ns", texts->drain_timeout},
        {"edge", options->http.edge ? "on" : "off"},
        {"connections_per_address", texts->per_address},
        {"queue_delay_ns", texts->queue_delay},
    };
    memcpy(table, built_in_options, sizeof built_in_options);
    for (weir_app_option *option = table; option->member != NULL; option++)
        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
            if (strcmp(option->member, defaults[i].member) == 0)
                option->or_else = defaults[i].text;
}

int weir__app_settings_read(int argc, char **argv, const weir_app_options *options,
                            struct weir__app_settings *out_settings)
{
    struct default_texts texts;
    weir_app_option built_in[BUILT_IN_COUNT + 1] = {0};
    fill_built_in(options, built_in, &texts);
    struct reader reader = {
        .options = options,
        .program = options->name != NULL ? options->name : "app",
        .built_in = built_in,
        .settings = out_settings,
    };
    set_prefix(&reader);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(&reader);
            return 1;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", reader.program,
                   options->version != NULL ? options->version : "0.0.0");
            return 1;
        }
    }
    *out_settings = (struct weir__app_settings){0};
    read_environment(&reader, options->options, options->settings);
    read_environment(&reader, built_in, out_settings);
    for (int i = 1; i < argc;)
        i += read_argument(&reader, argc - i, argv + i);
    check_required(&reader);
    if (!reader.failed)
        check_listen(&reader);
    if (reader.failed)
        return -EINVAL;
    if (!out_settings->limits)
        return 0;
    int rc = weir__app_print_limits(options, out_settings);
    if (rc < 0)
        fprintf(stderr, "%s: a limit that the service sets is impossible\n", reader.program);
    return rc < 0 ? rc : 1;
}
