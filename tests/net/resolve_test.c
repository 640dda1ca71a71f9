/*
 * resolve_test.c - names: what needs no asking, what is kept, and who waits for whom
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <weir/failure.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/resolve.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"

static const char *text_of(const weir_address *address)
{
    static char text[WEIR_ADDRESS_TEXT_BYTES];
    return weir_address_format(address, text);
}

static weir_resolver_stats stats_now(void)
{
    weir_resolver_stats stats;
    weir_resolver_stats_get(&stats);
    return stats;
}

/* --- a system of our own: what it answers, how often it was asked, when it answers ------------ */

static struct {
    struct weir__mutex lock;
    struct weir__cond changed;
    bool blocked; /* answers wait until it is false */
    int asked;
    int answered;
    int rc;
} fake = {.lock = WEIR__MUTEX_INIT};

static int answer_fake(const char *host, weir_addresses *out_addresses, const char **out_why)
{
    (void)host;
    weir__base_mutex_lock(&fake.lock);
    fake.asked++;
    weir__base_cond_broadcast(&fake.changed);
    while (fake.blocked)
        weir__base_cond_wait(&fake.changed, &fake.lock);
    int rc = fake.rc;
    fake.answered++;
    weir__base_cond_broadcast(&fake.changed);
    weir__base_mutex_unlock(&fake.lock);
    *out_why = "name is made up";
    if (rc == 0) {
        out_addresses->count = 1;
        rc = weir__net_address_literal(WEIR_STR("192.0.2.7"), 0, &out_addresses->at[0]);
    }
    return rc;
}

static void use_fake(bool blocked, int rc)
{
    weir__base_cond_init(&fake.changed);
    fake.blocked = blocked;
    fake.rc = rc;
    fake.asked = fake.answered = 0;
    weir__net_lookup = answer_fake;
    weir__net_cache_clear();
}

static void release_fake(void)
{
    weir__base_mutex_lock(&fake.lock);
    fake.blocked = false;
    weir__base_cond_broadcast(&fake.changed);
    weir__base_mutex_unlock(&fake.lock);
}

/* Until so many questions have come to the system: blocks the loop, which here is of use. */
static void wait_until_asked(int count)
{
    weir__base_mutex_lock(&fake.lock);
    while (fake.asked < count)
        weir__base_cond_wait(&fake.changed, &fake.lock);
    weir__base_mutex_unlock(&fake.lock);
}

/* --- without asking --------------------------------------------------------------------------- */

IO_TEST(literals_are_answered_at_once)
{
    use_fake(false, -EIO);
    weir_addresses found;
    EXPECT_RC(0, weir_resolve("192.0.2.1", 80, &found));
    EXPECT_EQ(1, found.count);
    EXPECT_STR("192.0.2.1:80", text_of(&found.at[0]));
    EXPECT_RC(0, weir_resolve("2001:DB8::1", 443, &found));
    EXPECT_EQ(1, found.count);
    EXPECT_STR("[2001:db8::1]:443", text_of(&found.at[0]));
    EXPECT_RC(0, weir_resolve("fe80::1%3", 0, &found));
    EXPECT_STR("[fe80::1%3]:0", text_of(&found.at[0]));
    EXPECT_EQ(0, fake.asked);
    EXPECT_EQ(3, stats_now().literals);
}

IO_TEST(localhost_is_this_machine_whatever_the_system_says)
{
    static const char *const names[] = {"localhost", "LOCALHOST", "localhost.", "db.localhost"};
    use_fake(false, -EIO);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        weir_addresses found;
        EXPECT_RC(0, weir_resolve(names[i], 80, &found));
        EXPECT_EQ(2, found.count);
        EXPECT_STR("127.0.0.1:80", text_of(&found.at[0]));
        EXPECT_STR("[::1]:80", text_of(&found.at[1]));
    }
    EXPECT_EQ(0, fake.asked);
}

IO_TEST(names_below_invalid_do_not_exist)
{
    static const char *const names[] = {"nosuch.invalid", "invalid", "a.b.INVALID."};
    use_fake(false, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        weir_addresses found;
        EXPECT_RC(-ENXIO, weir_resolve(names[i], 80, &found));
    }
    EXPECT_STR("name does not exist (EAI_NONAME): a.b.invalid.", weir_failure_message(-ENXIO));
    EXPECT_EQ(0, fake.asked);
}

IO_TEST(what_can_be_no_name_is_not_asked_for)
{
    static const char *const names[] = {
        "",      " ",          "a b",        "a/b",
        "a\nb",  "[::1]",      "user@host",  "h\xc3\xb6",
        "127.1", "127.0.0.1.", "2130706433", "0x7f.0.0.1",
        "0x7f",  "1.2.3.4.5",  "256.0.0.1",  "a.99999999999999999999999",
    };
    use_fake(false, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        weir_addresses found = {.count = 99};
        if (weir_resolve(names[i], 80, &found) != -EINVAL)
            EXPECT_STR("refused", names[i]);
        EXPECT_EQ(99, found.count);
    }
    weir_addresses found;
    EXPECT_RC(-EINVAL, weir_resolve(NULL, 80, &found));
    char name[300];
    memset(name, 'a', sizeof name);
    name[254] = '\0';
    EXPECT_RC(-EINVAL, weir_resolve(name, 80, &found));
    EXPECT_CONTAINS("longer than 253 bytes", weir_failure_message(-EINVAL));
    EXPECT_EQ(0, fake.asked);
    name[253] = '\0';
    EXPECT_RC(0, weir_resolve(name, 80, &found));
    EXPECT_RC(0, weir_resolve("_service.x-1.example", 80, &found));
    EXPECT_EQ(2, fake.asked);
}

IO_TEST(a_cancelled_caller_gets_no_address)
{
    int rc = 0;
    weir_addresses found = {.count = 99};
    WEIR_TIMEOUT(rc, 0)
    {
        rc = weir_resolve("192.0.2.1", 80, &found);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(99, found.count);
}

/* --- the cache -------------------------------------------------------------------------------- */

IO_TEST(a_name_is_asked_for_once_and_then_known)
{
    use_fake(false, 0);
    weir_addresses found;
    EXPECT_RC(0, weir_resolve("known.example", 80, &found));
    EXPECT_STR("192.0.2.7:80", text_of(&found.at[0]));
    EXPECT_RC(0, weir_resolve("Known.EXAMPLE", 443, &found));
    EXPECT_STR("192.0.2.7:443", text_of(&found.at[0])); // the port is the caller's
    EXPECT_EQ(1, fake.asked);
    weir_resolver_stats stats = stats_now();
    EXPECT_EQ(1, stats.asked);
    EXPECT_EQ(1, stats.hits);
    EXPECT_EQ(0, stats.failed);
    EXPECT_EQ(1, stats.kept);
}

IO_TEST(that_a_name_does_not_exist_is_kept_too)
{
    use_fake(false, -ENXIO);
    weir_addresses found;
    EXPECT_RC(-ENXIO, weir_resolve("unknown.example", 80, &found));
    EXPECT_STR("name is made up: unknown.example", weir_failure_message(-ENXIO));
    EXPECT_RC(-ENXIO, weir_resolve("unknown.example", 80, &found));
    EXPECT_EQ(1, fake.asked);
    EXPECT_EQ(1, stats_now().failed);
}

IO_TEST(a_shortage_of_ours_is_not_kept)
{
    use_fake(false, -EMFILE);
    weir_addresses found;
    EXPECT_RC(-EMFILE, weir_resolve("unlucky.example", 80, &found));
    EXPECT_RC(-EMFILE, weir_resolve("unlucky.example", 80, &found));
    EXPECT_EQ(2, fake.asked);
}

static void keep(const char *host, int64_t now_ns, int rc)
{
    struct weir__net_answer answer = {.rc = rc, .why = "kept"};
    if (rc == 0) {
        answer.addresses.count = WEIR_ADDRESSES_MAX;
        for (size_t i = 0; i < WEIR_ADDRESSES_MAX; i++)
            EXPECT_RC(
                0, weir__net_address_literal(i % 2 ? WEIR_STR("fe80::1%9") : WEIR_STR("10.0.0.1"),
                                             0, &answer.addresses.at[i]));
    }
    weir__net_cache_keep(host, now_ns, &answer);
}

TEST(answers_are_kept_for_thirty_seconds_and_failures_for_five)
{
    struct weir__net_answer answer;
    weir__net_cache_clear();
    keep("good", 100, 0);
    keep("bad", 100, -ENXIO);
    EXPECT(weir__net_cache_find("good", 99 + 30 * WEIR_SEC, &answer));
    EXPECT_EQ(WEIR_ADDRESSES_MAX, answer.addresses.count);
    EXPECT_STR("10.0.0.1:0", text_of(&answer.addresses.at[0]));
    EXPECT_STR("[fe80::1%9]:0", text_of(&answer.addresses.at[15]));
    EXPECT(!weir__net_cache_find("good", 100 + 30 * WEIR_SEC, &answer));
    EXPECT(weir__net_cache_find("bad", 99 + 5 * WEIR_SEC, &answer));
    EXPECT_RC(-ENXIO, answer.rc);
    EXPECT_EQ(0, answer.addresses.count);
    EXPECT(!weir__net_cache_find("bad", 100 + 5 * WEIR_SEC, &answer));
    EXPECT_EQ(2, weir__net_cache_count(100));
    EXPECT_EQ(1, weir__net_cache_count(100 + 5 * WEIR_SEC));
    keep("bad", 200, 0); // the newest word counts
    EXPECT(weir__net_cache_find("bad", 201, &answer));
    EXPECT_RC(0, answer.rc);
    EXPECT_EQ(2, weir__net_cache_count(201));
}

TEST(a_full_cache_forgets_what_would_end_first)
{
    char name[16];
    struct weir__net_answer answer;
    weir__net_cache_clear();
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%d", i);
        keep(name, 1000 + i, 0);
    }
    EXPECT_EQ(256, weir__net_cache_count(2000));
    EXPECT(!weir__net_cache_find("n43", 2000, &answer));
    EXPECT(weir__net_cache_find("n44", 2000, &answer));
    EXPECT(weir__net_cache_find("n299", 2000, &answer));
    keep("failed", 2000, -ENXIO); // takes the place of n44 ...
    keep("n300", 2000, 0);        // ... and is the next to go
    EXPECT(!weir__net_cache_find("failed", 2000, &answer));
    EXPECT(weir__net_cache_find("n45", 2000, &answer));
}

IO_TEST(the_cache_can_be_cleared_and_passed_by_and_says_what_it_dropped)
{
    use_fake(false, 0);
    weir_addresses found;
    weir_resolve_options fresh = {.fresh = true};
    EXPECT_RC(0, weir_resolve("a.example", 80, &found));
    EXPECT_RC(0, weir_resolve_with("a.example", 80, &fresh, &found));
    EXPECT_EQ(2, fake.asked);
    EXPECT_RC(0, weir_resolve("a.example", 80, &found));
    EXPECT_EQ(2, fake.asked);
    weir_resolver_clear();
    EXPECT_EQ(0, stats_now().kept);
    EXPECT_EQ(256, stats_now().kept_max);
    EXPECT_RC(0, weir_resolve("a.example", 80, &found));
    EXPECT_EQ(3, fake.asked);
    uint64_t before = stats_now().evicted;
    int64_t now_ns = weir__base_kernel_now();
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "e%d", i);
        keep(name, now_ns, 0);
    }
    EXPECT_EQ(45, stats_now().evicted - before);
    EXPECT_EQ(256, stats_now().kept);
    weir_resolver_clear();
}

IO_TEST(a_name_with_a_port_or_a_service_is_refused_with_a_word)
{
    use_fake(false, 0);
    weir_addresses found;
    EXPECT_RC(-EINVAL, weir_resolve("example.com:80", 80, &found));
    EXPECT_STR("a name is looked up without a port or service: example.com:80",
               weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_resolve("example.com:http", 80, &found));
    EXPECT_EQ(0, fake.asked);
}

/* --- the order -------------------------------------------------------------------------------- */

static void check_order(const char *const *given, size_t count, const char *expected)
{
    weir_address addresses[24];
    struct addrinfo infos[24] = {0};
    for (size_t i = 0; i < count; i++) {
        weir_str literal = {given[i], strlen(given[i])};
        EXPECT_RC(0, weir__net_address_literal(literal, 7, &addresses[i]));
        infos[i] = (struct addrinfo){.ai_family = weir__net_family(&addresses[i]),
                                     .ai_addr = (struct sockaddr *)&addresses[i].storage,
                                     .ai_addrlen = addresses[i].size,
                                     .ai_next = i + 1 < count ? &infos[i + 1] : NULL};
    }
    weir_addresses found = {0};
    weir__net_collect(infos, &found);
    char text[1024] = "";
    for (size_t i = 0; i < found.count; i++) {
        strncat(text, text_of(&found.at[i]), sizeof text - strlen(text) - 1);
        strncat(text, " ", sizeof text - strlen(text) - 1);
    }
    EXPECT_STR(expected, text);
}

TEST(the_families_take_turns_and_the_systems_first_choice_is_first)
{
    static const char *const v6_first[] = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1",
                                           "192.0.2.2"};
    check_order(v6_first, 5,
                "[2001:db8::1]:0 192.0.2.1:0 [2001:db8::2]:0 192.0.2.2:0 [2001:db8::3]:0 ");
    static const char *const v4_first[] = {"192.0.2.9", "192.0.2.9", "2001:db8::1", "192.0.2.1"};
    check_order(v4_first, 4, "192.0.2.9:0 [2001:db8::1]:0 192.0.2.1:0 "); // and none twice
    static const char *const one_family[] = {"192.0.2.3", "192.0.2.1", "192.0.2.2"};
    check_order(one_family, 3, "192.0.2.3:0 192.0.2.1:0 192.0.2.2:0 ");
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct asking {
    const char *host;
    int rc;
    weir_addresses found;
};

static int ask_for(void *arg)
{
    struct asking *asking = arg;
    asking->rc = weir_resolve(asking->host, 80, &asking->found);
    return asking->rc == -ECANCELED ? -ECANCELED : 0;
}

IO_TEST(tasks_that_want_the_same_name_share_one_question)
{
    use_fake(true, 0);
    struct asking asking[3] = {
        {.host = "same.example"}, {.host = "SAME.example"}, {.host = "same.example"}};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_spawn(group, ask_for, &asking[i]));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    wait_until_asked(1);
    release_fake();
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++) {
        EXPECT_RC(0, asking[i].rc);
        EXPECT_STR("192.0.2.7:80", text_of(&asking[i].found.at[0]));
    }
    EXPECT_EQ(1, fake.asked);
    EXPECT_EQ(2, stats_now().joined);
}

IO_TEST(a_slow_name_server_holds_up_nobody_but_those_who_wait_for_it)
{
    use_fake(true, 0);
    weir_addresses found;
    int rc = 0;
    int64_t started_ns = weir_now();
    WEIR_TIMEOUT(rc, 30 * WEIR_MS) // the deadline fires although the thread is stuck
    {
        rc = weir_resolve("slow.example", 80, &found);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(weir_now() - started_ns < 20 * WEIR_SEC);
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS)); // the loop turns
    EXPECT_RC(0, weir_resolve("127.0.0.1", 80, &found));

    // Whoever comes later joins the question, and gets its answer.
    struct asking asking = {.host = "slow.example"};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, ask_for, &asking));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    release_fake();
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, asking.rc);
    EXPECT_EQ(1, fake.asked);
}

IO_TEST(a_question_that_nobody_waits_for_any_more_still_fills_the_cache)
{
    use_fake(true, 0);
    weir_addresses found;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_resolve("later.example", 80, &found);
    }
    EXPECT_RC(-ETIME, rc);
    release_fake();
    for (int i = 0; i < 1000 && stats_now().kept == 0; i++)
        EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
    EXPECT_RC(0, weir_resolve("later.example", 80, &found));
    EXPECT_EQ(1, fake.asked);
}

IO_TEST(a_name_that_nobody_answers_for_is_given_up)
{
    use_fake(true, 0);
    EXPECT_EQ(5 * WEIR_SEC, weir__net_resolve_ns);
    weir__net_resolve_ns = 40 * WEIR_MS;
    weir_addresses found;
    int64_t started_ns = weir_now();
    EXPECT_RC(-ETIMEDOUT, weir_resolve("never.example", 80, &found));
    EXPECT(weir_now() - started_ns >= 40 * WEIR_MS);
    EXPECT_STR("no answer for 40 ms looking up name: never.example",
               weir_failure_message(-ETIMEDOUT));
    EXPECT_EQ(1, stats_now().timeouts);
    release_fake();
}

IO_TEST(a_connect_gives_up_with_the_name_when_the_name_takes_its_time)
{
    use_fake(true, 0);
    weir_conn *conn;
    weir_connect_options options = {.connect_timeout_ns = 20 * WEIR_MS};
    EXPECT_RC(-ETIMEDOUT, weir_connect("slow.example", 80, &options, &conn));
    EXPECT_STR("timed out looking up slow.example:80 after 20 ms",
               weir_failure_message(-ETIMEDOUT));
    release_fake();
}

IO_TEST(a_loop_that_ends_leaves_its_questions_behind)
{
    use_fake(true, 0);
    weir_addresses found;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_resolve("left.example", 80, &found);
    }
    EXPECT_RC(-ETIME, rc);
    wait_until_asked(1);
    release_fake(); // and the test's end sees that nothing is lost
}

static int leave_a_question(void *arg)
{
    (void)arg;
    weir_addresses found;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_resolve("stuck.example", 80, &found);
    }
    EXPECT_RC(-ETIME, rc);
    wait_until_asked(1);
    return 0;
}

TEST(a_program_ends_although_a_name_server_is_silent)
{
    use_fake(true, 0);
    weir_run_options options = {.backend = "epoll"};
    int64_t started_ns = weir_now();
    EXPECT_RC(0, weir__core_run(&options, leave_a_question, NULL, false));
    EXPECT(weir_now() - started_ns < 30 * WEIR_SEC);
    EXPECT_EQ(0, fake.answered);
    release_fake();
    weir__base_mutex_lock(&fake.lock);
    while (fake.answered < 1)
        weir__base_cond_wait(&fake.changed, &fake.lock);
    weir__base_mutex_unlock(&fake.lock);
}

IO_TEST(many_names_are_looked_up_side_by_side_and_none_is_lost)
{
    enum { NAMES = 100 };
    static struct asking asking[NAMES];
    static char names[NAMES][24];
    use_fake(false, 0);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "n%d.example", i);
        asking[i] = (struct asking){.host = names[i]};
        EXPECT_RC(0, weir_spawn(group, ask_for, &asking[i]));
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < NAMES; i++)
        EXPECT_RC(0, asking[i].rc);
    EXPECT_EQ(NAMES, fake.asked);
}

IO_TEST(whoever_wants_to_waits_for_a_name_without_end)
{
    use_fake(true, 0);
    weir__net_resolve_ns = 20 * WEIR_MS;
    weir_resolve_options patient = {.timeout_ns = WEIR_FOREVER};
    weir_resolve_options negative = {.timeout_ns = -1};
    weir_addresses found;
    int rc = 0;
    WEIR_TIMEOUT(rc, 100 * WEIR_MS)
    {
        rc = weir_resolve_with("patient.example", 80, &patient, &found);
    }
    EXPECT_RC(-ETIME, rc); // that of the scope around
    EXPECT_RC(-EINVAL, weir_resolve_with("patient.example", 80, &negative, &found));
    EXPECT_RC(-ETIMEDOUT, weir_resolve("patient.example", 80, &found));
    release_fake();
}

/* --- the other way round ---------------------------------------------------------------------- */

static int name_of_the_lane(const weir_address *address, char out_host[WEIR_HOST_BYTES],
                            const char **out_why)
{
    weir__base_mutex_lock(&fake.lock);
    fake.asked++;
    while (fake.blocked)
        weir__base_cond_wait(&fake.changed, &fake.lock);
    weir__base_mutex_unlock(&fake.lock);
    if (weir_address_port(address) != 7)
        return weir__net_lookup_code(EAI_AGAIN, out_why);
    snprintf(out_host, WEIR_HOST_BYTES, "named.example");
    return 0;
}

IO_TEST(an_address_has_the_name_that_the_system_says)
{
    use_fake(false, 0);
    weir_address address, nowhere;
    char host[WEIR_HOST_BYTES] = "untouched";
    REQUIRE_RC(0, weir_address_parse("192.0.2.1:8", &address));
    REQUIRE_RC(0, weir_address_parse("unix:/x", &nowhere));
    EXPECT_RC(-EINVAL, weir_resolve_name(&nowhere, host));
    EXPECT_RC(-EINVAL, weir_resolve_name(NULL, host));
    weir__net_lookup_name = name_of_the_lane;
    EXPECT_RC(-EHOSTUNREACH, weir_resolve_name(&address, host));
    EXPECT_STR("no name server answered (EAI_AGAIN) for name: 192.0.2.1:8",
               weir_failure_message(-EHOSTUNREACH));
    EXPECT_STR("untouched", host);
    weir_address_set_port(&address, 7);
    EXPECT_RC(0, weir_resolve_name(&address, host));
    EXPECT_STR("named.example", host);

    fake.blocked = true; // who is cancelled leaves at once, and the answer finds nobody
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_resolve_name(&address, host);
    }
    EXPECT_RC(-ETIME, rc);
    weir__net_resolve_ns = 10 * WEIR_MS;
    EXPECT_RC(-ETIMEDOUT, weir_resolve_name(&address, host));
    release_fake();
}

IO_TEST(the_system_says_a_name_for_this_machine_or_why_not)
{
    weir_address address;
    char host[WEIR_HOST_BYTES] = "";
    REQUIRE_RC(0, weir_address_parse("127.0.0.1:80", &address));
    int rc = weir_resolve_name(&address, host);
    if (rc == 0)
        EXPECT(host[0] != '\0');
    else
        EXPECT_CONTAINS("127.0.0.1:80", weir_failure_message(rc));
}

/* --- the real system -------------------------------------------------------------------------- */

IO_TEST(the_systems_word_about_an_unknown_name_has_a_message)
{
    // With a name server the name does not exist; without one nobody answers.
    weir_addresses found;
    int rc = weir_resolve("weir-test-nosuch.example", 80, &found);
    if (rc == -ENXIO)
        EXPECT_STR("name does not exist (EAI_NONAME): weir-test-nosuch.example",
                   weir_failure_message(rc));
    else if (rc == -EHOSTUNREACH)
        EXPECT_CONTAINS("weir-test-nosuch.example", weir_failure_message(rc));
    else
        EXPECT_RC(-ETIMEDOUT, rc);
}

IO_TEST(the_system_takes_literals_of_its_own_kind)
{
    weir_addresses found; // with the name of an interface only the system can tell
    EXPECT_RC(0, weir_resolve("fe80::1%lo", 80, &found));
    EXPECT_EQ(1, found.count);
    EXPECT_EQ(80, weir_address_port(&found.at[0]));
}
