/* An index with arbitrary octets in it: whatever it says, the account opens, the mailbox has the
 * messages that are there, and after at most two tries everything works, with a new index if
 * need be. Input: pieces of two octets of place (in units of 16), one of length, and the octets. */
#include "reference/store/view_internal.h"
#include "tests/fuzz/mail_folder.h"

enum { MESSAGES = 12 };

static char template[300000];
static size_t template_size;

static void index_path(char path[100])
{
    snprintf(path, 100, "%s/.tom.index", folder);
}

static void append(struct store_account *a)
{
    struct uid_set uids = {0};
    uint32_t uidvalidity;
    struct slice word = SLICE("word");
    struct view_append *b = view_append_begin(a, "INBOX");
    if (!b || view_append_message(b, FLAG_SEEN, &word, 1, 1000000000, 10) < 0 ||
        view_append_write(b, "A: b\r\n\r\nc\r\n", 11) < 0 ||
        view_append_commit(b, &uidvalidity, &uids) < 0)
        abort();
    uid_set_free(&uids);
}

static void make_template(void)
{
    static struct config config;
    char path[100];
    config = *folder_open();
    config.mailbox_format = FORMAT_MAILDIR;
    folder_config = config;
    struct store_account *a = store_account_get(&folder_config, "tom", "", -1, -1);
    for (int i = 0; i < MESSAGES; i++)
        append(a);
    if (folder_create(a, "other", USE_SENT, NULL) < 0)
        abort();
    /* All of it is to be in the file itself, not in its log. */
    if (sqlite3_wal_checkpoint_v2(a->index.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                  NULL) != SQLITE_OK)
        abort();
    store_account_put(a);
    store_account_forget_all();
    index_path(path);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, template, sizeof template);
    if (n <= 0 || n == sizeof template)
        abort();
    template_size = (size_t)n;
    close(fd);
}

static void put_index(const uint8_t *data, size_t size)
{
    char path[100], companion[110];
    char *file = malloc(template_size);
    memcpy(file, template, template_size);
    while (size > 3) {
        size_t at = ((size_t)data[0] << 8 | data[1]) * 16 % template_size, n = data[2];
        data += 3;
        size -= 3;
        n = n < size ? n : size;
        n = n < template_size - at ? n : template_size - at;
        memcpy(file + at, data, n);
        data += n;
        size -= n;
    }
    index_path(path);
    snprintf(companion, sizeof companion, "%s-wal", path);
    unlink(companion);
    snprintf(companion, sizeof companion, "%s-shm", path);
    unlink(companion);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file, template_size) != (ssize_t)template_size)
        abort();
    close(fd);
    free(file);
}

/* True when all of it worked. */
static bool use(struct store_account *a)
{
    struct folder_status st;
    struct view_changes changes;
    struct view_message m;
    static struct cache_batch batch;
    struct uid_set all = {0}, gone = {0};
    struct view_session *s = view_open(a, "INBOX", false);
    if (!s)
        return false;
    if (view_count(s) != MESSAGES)
        abort();
    uid_set_add(&all, 1, UINT32_MAX);
    bool good = view_cache_read(s, 1, MESSAGES, 15, &batch) == 0;
    view_cache_put(s, view_uid(s, 1), CACHE_FIELDS, SLICE("x"));
    good = view_store(s, &all, &(struct flags_change){FLAGS_ADD, FLAG_FLAGGED, 0, UINT64_MAX}, true,
                      NULL, NULL, NULL) == 0 && good;
    good = view_vanished(s, 1, NULL, &gone) == 0 && good;
    good = view_sync(s, true, &changes) == 0 && !changes.gone && good;
    view_changes_free(&changes);
    for (uint32_t seq = 1; seq <= view_count(s); seq++) {
        struct message_text *t = view_text(s, seq);
        if (!view_get(s, seq, &m) || m.uid != view_uid(s, seq) || (good && !t))
            abort();
        message_text_free(t);
    }
    view_close(s);
    uid_set_free(&all);
    uid_set_free(&gone);
    good = folder_status(a, "INBOX", true, &st) == 0 && good;
    good = folder_status(a, "other", true, &st) == 0 && good;
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (template_size == 0)
        make_template();
    put_index(data, size);
    struct store_account *a = store_account_get(&folder_config, "tom", "", -1, -1);
    if (!a)
        abort();
    int tries = 0;
    while (!use(a)) {
        if (++tries == 4) {
            perror("index");
            abort();
        }
    }
    store_account_put(a);
    store_account_forget_all();
    return 0;
}
