#include "dns-sim/querylog.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "dns-sim/record.h"

#include <stdlib.h>

struct log_entry {
    int64_t time;               /* wall_us */
    struct netaddr client;
    enum transport transport;
    uint16_t type;
    uint8_t *name;              /* owned; wire form, as it was asked */
    const char *rcode;          /* static, or NULL */
    char *answer;               /* owned */
    char *fault;                /* owned, or NULL */
};

static const char *const transport_names[] = {"udp", "tcp"};

void querylog_init(struct query_log *log)
{
    pthread_mutex_init(&log->lock, NULL);
    log->ring = xcalloc(QUERYLOG_KEEP, sizeof *log->ring);
    log->next = log->first = 1;
}

static struct log_entry *entry(const struct query_log *log, uint64_t number)
{
    return &log->ring[number % QUERYLOG_KEEP];
}

static void clear_entry(struct log_entry *e)
{
    free(e->name);
    free(e->answer);
    free(e->fault);
    *e = (struct log_entry){0};
}

void querylog_reset(struct query_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (; log->first < log->next; log->first++)
        clear_entry(entry(log, log->first));
    pthread_mutex_unlock(&log->lock);
}

void querylog_free(struct query_log *log)
{
    querylog_reset(log);
    free(log->ring);
    pthread_mutex_destroy(&log->lock);
}

void querylog_add(struct query_log *log, const struct asker *from, const uint8_t *name,
                  uint16_t type, const char *rcode, const char *answer, const char *fault)
{
    char client[64];
    struct buf name_text = {0}, type_text = {0};
    size_t len = name_len(name);
    struct log_entry e = {
        .time = wall_us(), .client = from->client, .transport = from->transport, .type = type,
        .name = memcpy(xmalloc(len), name, len), .rcode = rcode, .answer = xstrdup(answer),
        .fault = fault && *fault ? xstrdup(fault) : NULL,
    };
    pthread_mutex_lock(&log->lock);
    uint64_t number = log->next++;
    if (number - log->first == QUERYLOG_KEEP)
        clear_entry(entry(log, log->first++));
    *entry(log, number) = e;
    pthread_mutex_unlock(&log->lock);

    netaddr_host(&from->client, client);
    buf_add_name(&name_text, name);
    buf_add_type(&type_text, type);
    event("dns.query", EV_INT("n", (int64_t)number), EV_STR("client", client),
          EV_STR("name", buf_str(&name_text)), EV_STR("type", buf_str(&type_text)),
          EV_STR("transport", transport_names[from->transport]), EV_STR("rcode", rcode),
          EV_STR("answer", answer), EV_STR("fault", fault && *fault ? fault : NULL));
    buf_free(&name_text);
    buf_free(&type_text);
}

static void add_string(struct buf *b, const char *key, const char *value)
{
    buf_printf(b, ",\"%s\":", key);
    if (value)
        buf_add_json(b, slice_str(value));
    else
        buf_add_str(b, "null");
}

size_t querylog_list(struct query_log *log, uint64_t since, struct buf *out)
{
    size_t count = 0;
    struct buf text = {0};
    pthread_mutex_lock(&log->lock);
    for (uint64_t n = since >= log->first ? since + 1 : log->first; n < log->next; n++, count++) {
        const struct log_entry *e = entry(log, n);
        char client[64];
        netaddr_host(&e->client, client);
        buf_printf(out, "{\"n\":%llu,\"time\":%lld.%06d", (unsigned long long)n,
                   (long long)(e->time / 1000000), (int)(e->time % 1000000));
        add_string(out, "client", client);
        buf_printf(out, ",\"port\":%u", netaddr_port(&e->client));
        buf_clear(&text);
        buf_add_name(&text, e->name);
        add_string(out, "name", buf_str(&text));
        buf_clear(&text);
        buf_add_type(&text, e->type);
        add_string(out, "type", buf_str(&text));
        add_string(out, "transport", transport_names[e->transport]);
        add_string(out, "rcode", e->rcode);
        add_string(out, "answer", e->answer);
        add_string(out, "fault", e->fault);
        buf_add_str(out, "}\n");
    }
    pthread_mutex_unlock(&log->lock);
    buf_free(&text);
    return count;
}

size_t querylog_count(struct query_log *log, const uint8_t *name, uint16_t type)
{
    size_t count = 0;
    pthread_mutex_lock(&log->lock);
    for (uint64_t n = log->first; n < log->next; n++) {
        const struct log_entry *e = entry(log, n);
        if ((type == TYPE_ANY || e->type == type) && (!name || name_equal(e->name, name)))
            count++;
    }
    pthread_mutex_unlock(&log->lock);
    return count;
}

uint64_t querylog_last(struct query_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t last = log->next - 1;
    pthread_mutex_unlock(&log->lock);
    return last;
}
