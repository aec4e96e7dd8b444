/* `postroad user import csv`: records are read as they would be written, nothing is read beyond the text, and
 * who is imported is a user with a valid address, whatever the file says. */
#include "base/mem.h"
#include "reference/ctl/ctl.h"
#include "reference/ctl/user.h"

#include <stdlib.h>

/* The program's own, in its main.c. */
int ctl_usage(const char *command)
{
    (void)command;
    abort();
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* All fields quoted, as RFC 4180 2 has it. */
static void write_record(const struct buf *field, int n, struct buf *out)
{
    for (int i = 0; i < n; i++) {
        buf_add_str(out, i ? ",\"" : "\"");
        for (size_t k = 0; k < field[i].len; k++) {
            if (field[i].data[k] == '"')
                buf_add_byte(out, '"');
            buf_add_byte(out, field[i].data[k]);
        }
        buf_add_byte(out, '"');
    }
    buf_add_str(out, "\r\n");
}

static void records(struct slice rest)
{
    struct buf field[CSV_COLUMNS_MAX] = {{0}}, again[CSV_COLUMNS_MAX] = {{0}}, text = {0};
    int n;
    while ((n = csv_record(&rest, field)) > 0) {
        check(n <= CSV_COLUMNS_MAX);
        buf_clear(&text);
        write_record(field, n, &text);
        struct slice written = buf_slice(&text);
        check(csv_record(&written, again) == n && written.n == 0);
        for (int i = 0; i < n; i++)
            check(slice_eq(buf_slice(&field[i]), buf_slice(&again[i])));
    }
    for (int i = 0; i < CSV_COLUMNS_MAX; i++) {
        buf_free(&field[i]);
        buf_free(&again[i]);
    }
    buf_free(&text);
}

static void look_at(void *arg, const struct record *r)
{
    unsigned *users = arg;
    char *address = NULL;
    check(!virtual_address(slice_str(r->account.user), false, &address));
    check(strcmp(address, r->account.user) == 0 && r->secret && *r->secret);
    free(address);
    *users += 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Columns of any name; or those without a password, which would have to be hashed for each. */
    static const char usual[] = "address,secret,quota,expires,disabled,groups\n";
    struct buf text = {0}, errors = {0}, why = {0};
    unsigned users = 0, kept = 0;
    records(slice_of(data, size));
    if (size > 0 && data[0] != '!')
        buf_add_str(&text, usual);
    buf_add(&text, data, size);
    sqlite3 *db = slice_find(buf_slice(&text), SLICE("password")) >= 0
                      ? NULL : virtual_db_open(":memory:", true, 0, &errors);
    if (db) {
        bool good = ctl_import_csv(db, "users.csv", buf_slice(&text), &users, &errors);
        check(good == (errors.len == 0));
        check(virtual_list(db, look_at, &kept, &why) == AUTH_OK && kept == users);
        sqlite3_close(db);
    }
    buf_free(&text);
    buf_free(&errors);
    buf_free(&why);
    return 0;
}
