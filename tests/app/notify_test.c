/*
 * notify_test.c - what a service manager hears
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/app/both.h"
#include "tests/app/service.h"

static struct service service;

/* The manager's end; what is started from here on knows it. */
static int open_manager(void)
{
    char name[64];
    snprintf(name, sizeof name, "@weir-notify-test-%d", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(0, bind(fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))));
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *hear(int manager)
{
    static char message[256];
    ssize_t size = client_receive(manager, message, sizeof message - 1);
    message[size < 0 ? 0 : size] = '\0';
    return message;
}

TEST_ON_BOTH(the_manager_hears_when_the_service_is_ready_and_when_it_stops)
{
    int manager = open_manager();
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "2")));
    EXPECT_STR("READY=1\nSTATUS=serving", hear(manager));
    service_signal(&service, SIGTERM);
    EXPECT_STR("STOPPING=1\nSTATUS=draining", hear(manager));
    EXPECT_EQ(0, service_wait(&service));
    close(manager);
}

TEST_ON_BOTH(its_watchdog_hears_again_and_again)
{
    int manager = open_manager();
    setenv("WATCHDOG_USEC", "20000", 1);
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "2")));
    int fed = 0;
    bool ready = false;
    for (int i = 0; i < 1000 && (fed < 5 || !ready); i++) {
        const char *message = hear(manager);
        fed += strcmp(message, "WATCHDOG=1") == 0;
        ready |= strncmp(message, "READY=1", 7) == 0;
    }
    EXPECT(ready);
    EXPECT(fed >= 5);
    service_end(&service, 0);
    close(manager);
}

TEST(a_watchdog_of_another_process_is_none_of_ours)
{
    int manager = open_manager();
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--workers", "2")));
    EXPECT_STR("READY=1\nSTATUS=serving", hear(manager));
    service_end(&service, 0);
    EXPECT_STR("STOPPING=1\nSTATUS=draining", hear(manager));
    close(manager);
}

TEST(a_manager_that_is_gone_does_not_matter)
{
    close(open_manager());
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--workers", "1")));
    service_end(&service, 0);
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--workers", "1")));
    service_end(&service, 0);
}
