/* Loaded before the C library into a process whose files are watched
 * (LD_PRELOAD). What it does to files below a folder is written down in the
 * order in which it happened, or made to fail.
 *
 *   SHIM_UNDER   the folder; nothing outside of it is touched
 *   SHIM_LOG     where to write the record; none without it
 *   SHIM_FAIL    "first,count,errno": of the writes, syncs and changes of
 *                length, numbered from 1, `count` fail from the `first` on
 *
 * A record is: kind (1 byte), length of the path (4), path, offset (8), length
 * of the data (4), data; numbers in the machine's order. Kinds:
 *
 *   W write   T length set to offset   S synced   C made   D folder made
 *   R renamed to the path in data      U removed  A said on standard output
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *under;
static int log_fd = -1;
static long first_failing, failing, failing_errno, calls;

static void begin(void) {
    under = getenv("SHIM_UNDER");
    const char *fail = getenv("SHIM_FAIL");
    if (fail)
        sscanf(fail, "%ld,%ld,%ld", &first_failing, &failing, &failing_errno);
    const char *path = getenv("SHIM_LOG");
    if (path)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int watched(const char *path) {
    pthread_once(&once, begin);
    return under && strncmp(path, under, strlen(under)) == 0;
}

/* The path of an open file, if it is watched. */
static int path_of(int fd, char *path) {
    pthread_once(&once, begin);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, 4095);
    if (length < 0)
        return 0;
    path[length] = 0;
    return watched(path);
}

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t done = syscall(SYS_write, log_fd, at, length);
        if (done <= 0)
            _exit(99);
        at += done;
        length -= (size_t)done;
    }
}

static void note(char kind, const char *path, int64_t offset, const void *data, size_t length) {
    if (log_fd < 0)
        return;
    uint32_t path_length = (uint32_t)strlen(path), data_length = (uint32_t)length;
    put(&kind, 1);
    put(&path_length, 4);
    put(path, path_length);
    put(&offset, 8);
    put(&data_length, 4);
    put(data, length);
}

/* Whether this call is one that has to fail. */
static int fails(void) {
    calls++;
    if (calls < first_failing || calls >= first_failing + failing)
        return 0;
    errno = (int)failing_errno;
    return 1;
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define WATCHED(fd, failed, call, on_success)                                  \
    do {                                                                       \
        char path[4096];                                                       \
        if (!path_of(fd, path))                                                \
            return call;                                                       \
        pthread_mutex_lock(&lock);                                             \
        __typeof__(call) result = failed;                                      \
        if (!fails()) {                                                        \
            result = call;                                                     \
            int kept = errno;                                                  \
            if (result != failed)                                              \
                on_success;                                                    \
            errno = kept;                                                      \
        }                                                                      \
        pthread_mutex_unlock(&lock);                                           \
        return result;                                                         \
    } while (0)

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    WATCHED(fd, -1, REAL(pwrite)(fd, data, length, offset),
            note('W', path, offset, data, (size_t)result));
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    WATCHED(fd, -1, REAL(pwrite64)(fd, data, length, offset),
            note('W', path, offset, data, (size_t)result));
}

ssize_t write(int fd, const void *data, size_t length) {
    if (fd == STDOUT_FILENO) {
        pthread_once(&once, begin);
        pthread_mutex_lock(&lock);
        ssize_t result = REAL(write)(fd, data, length);
        if (result > 0)
            note('A', "", 0, data, (size_t)result);
        pthread_mutex_unlock(&lock);
        return result;
    }
    WATCHED(fd, -1, REAL(write)(fd, data, length),
            note('W', path, lseek(fd, 0, SEEK_CUR) - result, data, (size_t)result));
}

/* Nobody here is known to use these; who begins to must not go unseen. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[4096];
    if (path_of(fd, path))
        _exit(98);
    return REAL(writev)(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    char path[4096];
    if (path_of(fd, path))
        _exit(98);
    return REAL(pwritev)(fd, parts, count, offset);
}

int ftruncate(int fd, off_t length) {
    WATCHED(fd, -1, REAL(ftruncate)(fd, length), note('T', path, length, "", 0));
}

int ftruncate64(int fd, off64_t length) {
    WATCHED(fd, -1, REAL(ftruncate64)(fd, length), note('T', path, length, "", 0));
}

int fsync(int fd) { WATCHED(fd, -1, REAL(fsync)(fd), note('S', path, 0, "", 0)); }

int fdatasync(int fd) { WATCHED(fd, -1, REAL(fdatasync)(fd), note('S', path, 0, "", 0)); }

static int opened(int (*open_it)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if (!watched(path))
        return open_it(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before;
    int is_new = stat(path, &before) != 0;
    int fd = open_it(path, flags, mode);
    int kept = errno;
    if (fd >= 0 && is_new)
        note('C', path, 0, "", 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        note('T', path, 0, "", 0);
    errno = kept;
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE                                                                   \
    mode_t mode = 0;                                                           \
    if (flags & O_CREAT) {                                                     \
        va_list arguments;                                                     \
        va_start(arguments, flags);                                            \
        mode = va_arg(arguments, mode_t);                                      \
        va_end(arguments);                                                     \
    }

int open(const char *path, int flags, ...) {
    MODE return opened(REAL(open), path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE return opened(REAL(open64), path, flags, mode);
}

int rename(const char *from, const char *to) {
    if (!watched(from))
        return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to), kept = errno;
    if (result == 0)
        note('R', from, 0, to, strlen(to));
    errno = kept;
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    if (!watched(path))
        return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path), kept = errno;
    if (result == 0)
        note('U', path, 0, "", 0);
    errno = kept;
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    if (!watched(path))
        return REAL(mkdir)(path, mode);
    pthread_mutex_lock(&lock);
    int result = REAL(mkdir)(path, mode), kept = errno;
    if (result == 0)
        note('D', path, 0, "", 0);
    errno = kept;
    pthread_mutex_unlock(&lock);
    return result;
}
