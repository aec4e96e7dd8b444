/* folder_sync.h: nobody returns before a sync that began after he came; many share one. */
#include "base/folder_sync.h"
#include "base/timing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int begun, calls, failing;
static _Atomic int last_ended;       /* number of the last sync that has ended */

/* In the place of the C library's. */
int fsync(int fd)
{
    (void)fd;
    int number = atomic_fetch_add(&begun, 1) + 1;
    sleep_ms(1);
    atomic_store(&last_ended, number);
    errno = EIO;
    return atomic_load(&failing) ? -1 : 0;
}

static int folder;

static void *sync_often(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int before = atomic_load(&begun);
        atomic_fetch_add(&calls, 1);
        int r = folder_sync(folder);
        cr_assert_eq(r, atomic_load(&failing) ? -1 : 0);
        cr_assert(r == 0 || errno == EIO);
        cr_assert_gt(atomic_load(&last_ended), before, "a sync that had begun before does not count");
    }
    return arg;
}

static void run(void)
{
    pthread_t thread[8];
    folder = open("/tmp", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, sync_often, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    close(folder);
}

Test(folder_sync, many_share_one)
{
    run();
    cr_expect_eq(atomic_load(&calls), 400);
    cr_expect_lt(atomic_load(&begun), 400);
}

Test(folder_sync, all_who_shared_a_failure_hear_of_it)
{
    atomic_store(&failing, 1);
    run();
}

Test(folder_sync, what_is_no_folder)
{
    cr_expect_eq(folder_sync(-1), -1);
    cr_expect_eq(errno, EBADF);
}
