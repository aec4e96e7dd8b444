/* service.h, event.h, conf.h */
#include "base/conf.h"
#include "base/event.h"
#include "base/mem.h"
#include "base/service.h"
#include "base/timing.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void echo(struct stream *s, const struct session_info *info, void *ctx)
{
    (void)ctx;
    struct buf line = {0};
    enum line_end end;
    stream_puts(s, "220 hello\r\n");
    stream_set_idle(s, true);
    while (!service_stopping(info->service) && stream_read_line(s, &line, 100, &end) == IO_OK)
        stream_printf(s, "250 %s\r\n", buf_str(&line));
    stream_puts(s, "421 bye\r\n");
    stream_close(s);
    buf_free(&line);
}

static void *run(void *s)
{
    service_run(s);
    return NULL;
}

struct fixture { struct service *service; struct netaddr addr; pthread_t thread; };

static struct fixture start(int max, int per_client)
{
    struct fixture f = {0};
    cr_assert(netaddr_parse(&f.addr, SLICE("127.0.0.1"), 0));
    int fd = net_listen(&f.addr, 16);
    cr_assert_geq(fd, 0);
    f.addr.len = sizeof f.addr.un;
    getsockname(fd, &f.addr.sa, &f.addr.len);
    f.service = service_new(&(struct service_conf){
        .name = "echo", .max_sessions = max, .max_sessions_per_client = per_client,
        .stop_grace_ms = 2000, .session = echo, .busy_line = "421 busy"});
    service_add_listener(f.service, fd, NULL);
    pthread_create(&f.thread, NULL, run, f.service);
    return f;
}

static struct stream *dial(struct fixture *f)
{
    int fd = net_connect(&f->addr, NULL, 1000);
    cr_assert_geq(fd, 0);
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, 3000);
    return s;
}

static void expect(struct stream *s, const char *text)
{
    struct buf line = {0};
    enum line_end end;
    cr_assert_eq(stream_read_line(s, &line, 100, &end), IO_OK, "while waiting for %s", text);
    cr_assert_str_eq(buf_str(&line), text);
    buf_free(&line);
}

Test(service, serves_and_limits_and_stops_idle_sessions_at_once, .timeout = 10)
{
    struct fixture f = start(2, 0);
    struct stream *a = dial(&f), *b = dial(&f);
    expect(a, "220 hello");
    expect(b, "220 hello");
    struct stream *c = dial(&f);
    expect(c, "421 busy");
    stream_close(c);
    stream_puts(a, "x\r\n");
    expect(a, "250 x");
    int64_t t = mono_ms();
    service_stop(f.service);
    expect(a, "421 bye");
    expect(b, "421 bye");
    pthread_join(f.thread, NULL);
    cr_assert_lt(mono_ms() - t, 1500, "idle sessions did not wait for the grace");
    stream_close(a);
    stream_close(b);
    cr_assert_eq(service_sessions(f.service), 0);
    service_free(f.service);
}

Test(service, limits_one_client, .timeout = 10)
{
    struct fixture f = start(10, 1);
    struct stream *a = dial(&f);
    expect(a, "220 hello");
    struct stream *b = dial(&f);
    expect(b, "421 busy");
    stream_close(a);
    stream_close(b);
    service_stop(f.service);
    pthread_join(f.thread, NULL);
    service_free(f.service);
}

Test(event, lines_are_json_whatever_the_bytes)
{
    char path[] = "/tmp/postroad-unit-XXXXXX";
    close(mkstemp(path));
    cr_assert_eq(event_open(path, false, "mail", "smtpd"), 0);
    event("smtpd.command", EV_SLICE("line", SLICE("EHLO \"\xff\x01\n")), EV_INT("n", -5),
          EV_BOOL("ok", true), EV_STR("none", NULL), EV_REAL("r", 0.5));
    struct buf b = {0};
    cr_assert_eq(buf_read_file(&b, path, 10000), 0);
    unlink(path);
    json_error_t error;
    json_t *j = json_loads(buf_str(&b), 0, &error);
    cr_assert_not_null(j, "%s in %s", error.text, buf_str(&b));
    cr_assert_str_eq(json_string_value(json_object_get(j, "line")), "EHLO \"\xC3\xBF\x01\n");
    cr_assert_eq(json_integer_value(json_object_get(j, "n")), -5);
    cr_assert(json_is_null(json_object_get(j, "none")));
    cr_assert_str_eq(json_string_value(json_object_get(j, "event")), "smtpd.command");
    json_decref(j);
    buf_free(&b);
}

static cfg_t *load(const char *text, struct buf *errors)
{
    cfg_opt_t opts[] = {CFG_STR("hostname", NULL, CFGF_NONE), CFG_STR("retry", "5m", CFGF_NONE),
                        CFG_END()};
    return conf_load_text(opts, text, "x.conf", errors);
}

Test(conf, errors_name_file_line_and_remedy)
{
    struct buf errors = {0};
    cr_assert_null(load("hostname = \"a\"\nretri = \"5m\"\n", &errors));
    cr_assert(slice_find(buf_slice(&errors), SLICE("x.conf:2:")) >= 0, "%s", buf_str(&errors));
    cr_assert(slice_find(buf_slice(&errors), SLICE("did you mean 'retry'?")) >= 0, "%s",
              buf_str(&errors));
    buf_clear(&errors);
    cfg_t *cfg = load("retry = \"90s\"\n", &errors);
    cr_assert_not_null(cfg);
    cr_assert_eq(conf_duration_ms(cfg, "retry"), 90000);
    cfg_free(cfg);
    buf_clear(&errors);
    cr_assert_null(load("hostname = {", &errors));
    cr_assert_gt(errors.len, 0);
    buf_free(&errors);
}
