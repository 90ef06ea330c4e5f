// Stands between a program and the C library (LD_PRELOAD), and disturbs one of its calls on files: for the tests of
// what a killed writer, a full disk, a broken one and a file that shrinks leave behind. What it does is in its
// environment:
//
//   FAULT_BELOW  calls on paths that begin with this count; no other does
//   FAULT_ON     letters of the calls that count: r what reads, w what writes, n what gives names
//   FAULT_AT     at which of these, from 1 on; none where it is not there
//   FAULT_STAYS  the fault stays there from that call on, where it is "1"
//   FAULT_KIND   "kill" ends the process before the call; "short" does half of it; "truncate" makes the file end
//                where the read begins; "plain" refuses renames that do more than rename, as NFS and FUSE do;
//                a number is the error that the call gives
//   FAULT_LOG    a file to which one byte is appended for each call that counts: its letter
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *below, *on, *kind;
static long at, stays;
static int logged = -1;
static _Atomic long calls;

__attribute__((constructor)) static void start(void) {
  const char *text;
  below = getenv("FAULT_BELOW");
  on = getenv("FAULT_ON") ?: "rwn";
  kind = getenv("FAULT_KIND") ?: "";
  at = (text = getenv("FAULT_AT")) ? atol(text) : 0;
  stays = (text = getenv("FAULT_STAYS")) ? atol(text) : 0;
  if ((text = getenv("FAULT_LOG")))
    logged = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

// Whether the fault is due at this call; one of -1 makes it fail.
enum fault { NONE, FAILS, HALF, ENDS };

static enum fault due(char letter, const char *path) {
  if (!below || strncmp(path, below, strlen(below)) || !strchr(on, letter)) return NONE;
  if (logged >= 0) syscall(SYS_write, logged, &letter, 1);
  long number = ++calls;
  if (!at || number < at || (number > at && !stays)) return NONE;
  if (!strcmp(kind, "kill")) syscall(SYS_kill, getpid(), SIGKILL);
  if (!strcmp(kind, "short")) return HALF;
  if (!strcmp(kind, "truncate")) return ENDS;
  errno = atoi(kind);
  return FAILS;
}

static enum fault due_at(char letter, int file) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t count = readlink(link, path, sizeof path - 1);
  if (count < 0) return NONE;
  path[count] = 0;
  return due(letter, path);
}

// Ends an input where the read begins; also the one of which only a descriptor for reading is there.
static void end_file(int file, off_t offset) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  int writing = syscall(SYS_openat, AT_FDCWD, link, O_WRONLY | O_CLOEXEC);
  if (writing < 0) return;
  syscall(SYS_ftruncate, writing, offset);
  syscall(SYS_close, writing);
}

#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define PLAIN(letter, path) if (due(letter, path) == FAILS) return -1
#define HALVED(count) ((count) > 1 ? (count) / 2 : (count))

#define READ(name, place, parameters, ...) \
  ssize_t name parameters { \
    NEXT(name); \
    enum fault fault = due_at('r', file); \
    if (fault == FAILS) return -1; \
    if (fault == HALF) count = HALVED(count); \
    if (fault == ENDS) end_file(file, place); \
    return next(__VA_ARGS__); \
  }
READ(read, lseek(file, 0, SEEK_CUR), (int file, void *to, size_t count), file, to, count)
READ(pread, offset, (int file, void *to, size_t count, off_t offset), file, to, count, offset)
READ(pread64, offset, (int file, void *to, size_t count, off64_t offset), file, to, count, offset)

#define WRITE(name, parameters, ...) \
  ssize_t name parameters { \
    NEXT(name); \
    enum fault fault = due_at('w', file); \
    if (fault == FAILS) return -1; \
    if (fault == HALF) count = HALVED(count); \
    return next(__VA_ARGS__); \
  }
WRITE(write, (int file, const void *from, size_t count), file, from, count)
WRITE(pwrite, (int file, const void *from, size_t count, off_t offset), file, from, count, offset)
WRITE(pwrite64, (int file, const void *from, size_t count, off64_t offset), file, from, count, offset)

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *place, size_t count, unsigned flags) {
  NEXT(copy_file_range);
  enum fault reading = due_at('r', from), writing = due_at('w', to);
  if (reading == FAILS || writing == FAILS) return -1;
  if (reading == HALF || writing == HALF) count = HALVED(count);
  if (reading == ENDS) end_file(from, start ? *start : lseek(from, 0, SEEK_CUR));
  return next(from, start, to, place, count, flags);
}

#define ON_FILE(name, parameters, ...) \
  int name parameters { NEXT(name); return due_at('w', file) == FAILS ? -1 : next(__VA_ARGS__); }
ON_FILE(fsync, (int file), file)
ON_FILE(ftruncate, (int file, off_t length), file, length)
ON_FILE(ftruncate64, (int file, off64_t length), file, length)
ON_FILE(fallocate, (int file, int mode, off_t offset, off_t length), file, mode, offset, length)
ON_FILE(fallocate64, (int file, int mode, off64_t offset, off64_t length), file, mode, offset, length)

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    PLAIN((flags & O_ACCMODE) == O_RDONLY ? 'r' : 'w', path); \
    return next(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
  NEXT(mkdir);
  PLAIN('n', path);
  return next(path, mode);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
  NEXT(renameat2);
  PLAIN('n', new);
  if (flags && !strcmp(kind, "plain")) {
    errno = EINVAL;
    return -1;
  }
  return next(from, old, to, new, flags);
}

DIR *opendir(const char *path) {
  NEXT(opendir);
  return due('r', path) == FAILS ? NULL : next(path);
}
