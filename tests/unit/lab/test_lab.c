/* The library as conform uses it: everything from one process outside of the lab. */
#include "base/timing.h"
#include "conformance/lab/lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct netaddr addr(const char *text, uint16_t port)
{
    struct netaddr a;
    cr_assert(netaddr_parse(&a, slice_str(text), port), "%s", text);
    return a;
}

static struct world *small_world(void)
{
    struct world *w = world_new();
    struct netaddr a = addr("192.0.2.25", 0), b = addr("2001:db8::25", 0);
    world_add_address(w, "mail", &a);
    world_add_address(w, "mail", &b);
    return w;
}

static struct lab *create(const char *dir)
{
    struct buf error = {0};
    struct world *w = small_world();
    struct lab *lab = lab_create(w, dir, &error);
    cr_assert(lab, "%s", buf_str(&error));
    world_free(w);
    buf_free(&error);
    return lab;
}

static void state(struct lab *lab, enum lab_state s, int64_t ms)
{
    struct buf error = {0};
    cr_assert(lab_set_state(lab, "mail", s, ms, &error), "%s", buf_str(&error));
}

/* A listening socket inside, made from out here. */
static int listen_inside(struct lab *lab, const struct netaddr *a)
{
    int fd = lab_socket(lab, a->sa.sa_family, SOCK_STREAM);
    cr_assert_geq(fd, 0, "%s", strerror(errno));
    cr_assert_eq(bind(fd, &a->sa, a->len), 0, "%s", strerror(errno));
    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

static int connect_inside(struct lab *lab, const struct netaddr *a)
{
    int fd = lab_socket(lab, a->sa.sa_family, SOCK_STREAM);
    struct timeval patience = {.tv_usec = 300000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int why = connect(fd, &a->sa, a->len) == 0 ? 0 : errno;
    close(fd);
    return why;
}

Test(lab, sockets_and_states, .timeout = 30)
{
    struct lab *lab = create(NULL);
    const char *hosts[] = {"192.0.2.25", "2001:db8::25"};
    for (int i = 0; i < 2; i++) {
        struct netaddr a = addr(hosts[i], 25);
        int server = listen_inside(lab, &a);
        state(lab, LAB_UP, 0);
        cr_assert_eq(connect_inside(lab, &a), 0);
        state(lab, LAB_DOWN, 0);
        cr_assert_eq(connect_inside(lab, &a), ECONNREFUSED);
        state(lab, LAB_UNREACHABLE, 0);
        cr_assert_eq(connect_inside(lab, &a), EHOSTUNREACH);
        state(lab, LAB_SILENT, 0);
        cr_assert_eq(connect_inside(lab, &a), EINPROGRESS); /* SO_SNDTIMEO is over */
        state(lab, LAB_SLOW, 80);
        int64_t start = mono_ms();
        cr_assert_eq(connect_inside(lab, &a), 0);
        cr_assert_geq(mono_ms() - start, 80);
        state(lab, LAB_UP, 0);
        cr_assert_eq(connect_inside(lab, &a), 0);
        close(server);
    }
    lab_destroy(lab);
}

Test(lab, processes, .timeout = 30)
{
    struct lab *lab = create(NULL);
    int out[2], status;
    char text[256] = "";
    cr_assert_eq(pipe(out), 0);
    char *argv[] = {"sh", "-c", "echo $MORE; pwd; cat /etc/resolv.conf; exit 9", NULL};
    char *env[] = {"MORE=words", NULL};
    pid_t pid = lab_spawn(lab, &(struct lab_command){.argv = argv, .env = env, .cwd = "/usr",
                                                     .fds = {-1, out[1], -1}});
    close(out[1]);
    cr_assert_gt(pid, 0, "%s", strerror(errno));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(WEXITSTATUS(status), 9);
    cr_assert_gt(read(out[0], text, sizeof text - 1), 0);
    struct slice wanted = SLICE("words\n/usr\nnameserver 127.0.0.1\n");
    cr_assert(slice_starts(slice_str(text), wanted), "%s", text);
    char *missing[] = {"no-such-program", NULL};
    cr_assert_eq(lab_spawn(lab, &(struct lab_command){.argv = missing}), -1);
    cr_assert_eq(errno, ENOENT);
    char *traps[] = {"sh", "-c", "trap 'exit 5' USR1; kill -STOP $$; while :; do sleep 0.01; done",
                     NULL};
    pid = lab_spawn(lab, &(struct lab_command){.argv = traps});
    sleep_ms(50);
    kill(pid, SIGCONT);
    kill(pid, SIGUSR1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5, "%x", (unsigned)status);
    char *forever[] = {"sleep", "1000", NULL};
    pid = lab_spawn(lab, &(struct lab_command){.argv = forever});
    lab_destroy(lab);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status));
}

Test(lab, addresses_at_run_time, .timeout = 30)
{
    struct lab *lab = create(NULL);
    struct buf error = {0};
    struct netaddr more = addr("203.0.113.7", 25), six = addr("2001:db8:7::7", 25);
    cr_assert(lab_add_address(lab, "later", &more, &error), "%s", buf_str(&error));
    cr_assert(lab_add_address(lab, "later", &six, &error), "%s", buf_str(&error));
    cr_assert_not(lab_add_address(lab, "mail", &more, &error));
    cr_assert(strstr(buf_str(&error), "203.0.113.7 is an address of another host"));
    close(listen_inside(lab, &more));
    close(listen_inside(lab, &six));
    buf_clear(&error);
    cr_assert_not(lab_set_state(lab, "nobody", LAB_DOWN, 0, &error));
    cr_assert(strstr(buf_str(&error), "no host nobody in this world; it has: mail later"));
    buf_free(&error);
    lab_destroy(lab);
}

Test(lab, a_second_handle, .timeout = 30)
{
    struct lab *lab = create(NULL);
    struct buf error = {0};
    char *dir = strdup(lab_dir(lab));
    struct lab *other = lab_open(dir, &error);
    cr_assert(other, "%s", buf_str(&error));
    cr_assert(slice_ends(slice_str(lab_dns_control(other)), SLICE("/dns.control")));
    cr_assert_eq(access(lab_dns_log(other), R_OK), 0);
    cr_assert(lab_set_state(other, "mail", LAB_DOWN, 0, &error));
    lab_destroy(other);
    lab_destroy(lab);
    cr_assert_neq(access(dir, F_OK), 0, "a folder of its own goes with the lab");
    cr_assert_null(lab_open(dir, &error));
    free(dir);
    buf_free(&error);
}

Test(lab, failure_is_explained, .timeout = 30)
{
    struct buf error = {0};
    struct world *w = small_world();
    world_add_zone(w, "/nowhere/x.zone");
    cr_assert_null(lab_create(w, NULL, &error));
    cr_assert(strstr(buf_str(&error), "zone file /nowhere/x.zone: No such file"), "%s",
              buf_str(&error));
    buf_free(&error);
    world_free(w);
}
