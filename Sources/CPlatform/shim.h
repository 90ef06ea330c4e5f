// What Swift lacks: hints for the processor, stores past the caches, and calls of Linux that the C library's headers
// show only with _GNU_SOURCE, which Swift's module of them does not define.

// Tells the processor that a cache line will be read soon. It may lie anywhere.
static inline void platform_prefetch(const void *address) { __builtin_prefetch(address); }

// Tells the processor that a thread waits for another one.
static inline void platform_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Seconds of the processors' time that this process has taken, in its own code or in the system's for it: Swift's types
// for this call differ between the C libraries.
#include <sys/resource.h>
static inline double platform_processor_seconds(int in_system) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  struct timeval time = in_system ? usage.ru_stime : usage.ru_utime;
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

// Sixteen units of two or four bytes are joined from their planes, the least significant first, rotated right by a
// number of bits, and stored past the caches, at a place that is a multiple of 16: for what is not read soon.
// Other threads may be told of it after platform_end_streaming. Swift has neither such stores nor shuffles of bytes.
typedef unsigned char platform_bytes __attribute__((ext_vector_type(16)));
typedef unsigned short platform_pairs __attribute__((ext_vector_type(8)));
typedef unsigned int platform_quadruples __attribute__((ext_vector_type(4)));

static inline platform_bytes platform_load(const void *place) {
  platform_bytes bytes;
  __builtin_memcpy(&bytes, place, 16);
  return bytes;
}

static inline platform_pairs platform_lower_pairs(platform_bytes low, platform_bytes high) {
  return (platform_pairs)__builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline platform_pairs platform_upper_pairs(platform_bytes low, platform_bytes high) {
  return (platform_pairs)__builtin_shufflevector(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                                 31);
}

static inline void platform_stream_pairs(void *place, platform_pairs units, unsigned bits) {
  if (bits) units = units >> bits | units << (16 - bits);
  __builtin_nontemporal_store(units, (platform_pairs *)place);
}

static inline void platform_join_pairs(void *units, const void *low, const void *high, unsigned bits) {
  __builtin_prefetch((const char *)low + 1024);
  platform_bytes a = platform_load(low), b = platform_load(high);
  platform_stream_pairs(units, platform_lower_pairs(a, b), bits);
  platform_stream_pairs((char *)units + 16, platform_upper_pairs(a, b), bits);
}

static inline void platform_stream_quadruples(void *place, platform_pairs low, platform_pairs high, unsigned bits) {
  platform_quadruples lower = (platform_quadruples)__builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
  platform_quadruples upper = (platform_quadruples)__builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
  if (bits) lower = lower >> bits | lower << (32 - bits);
  if (bits) upper = upper >> bits | upper << (32 - bits);
  __builtin_nontemporal_store(lower, (platform_quadruples *)place);
  __builtin_nontemporal_store(upper, (platform_quadruples *)((char *)place + 16));
}

static inline void platform_join_quadruples(void *units, const void *a, const void *b, const void *c, const void *d,
                                            unsigned bits) {
  platform_bytes p = platform_load(a), q = platform_load(b), r = platform_load(c), s = platform_load(d);
  platform_stream_quadruples(units, platform_lower_pairs(p, q), platform_lower_pairs(r, s), bits);
  platform_stream_quadruples((char *)units + 32, platform_upper_pairs(p, q), platform_upper_pairs(r, s), bits);
}

static inline void platform_end_streaming(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

// Starts a thread that nobody waits for. 0, or why it could not be started: Swift's types for this call differ between
// the C libraries.
static inline int platform_start_thread(void *(*body)(void *), void *context, size_t stack_size) {
  pthread_attr_t attributes;
  pthread_t thread;
  int status = pthread_attr_init(&attributes);
  if (status != 0) return status;
  pthread_attr_setstacksize(&attributes, stack_size);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  status = pthread_create(&thread, &attributes, body, context);
  pthread_attr_destroy(&attributes);
  return status;
}

// Has this thread wait for signals, which whatever thread they come to passes on to it: libraries start threads of their
// own, before anybody can tell them to block any. Called once; the set's signals, but for those that the caller has turned
// off. What it returns has come, or is 0 where there is none to wait for.
static inline pthread_t *platform_listener(void) {
  static pthread_t listener;
  return &listener;
}

static inline void platform_pass_on(int number) {
  int error = errno;
  pthread_kill(*platform_listener(), number);
  errno = error;
}

static inline int platform_wait_for_signal(const int *numbers, int count) {
  sigset_t wanted;
  sigemptyset(&wanted);
  int wanted_count = 0;
  *platform_listener() = pthread_self();
  for (int i = 0; i < count; i++) {
    struct sigaction action = {0};
    if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
      sigaddset(&wanted, numbers[i]);
      wanted_count++;
    }
  }
  if (wanted_count == 0 || pthread_sigmask(SIG_BLOCK, &wanted, NULL) != 0) return 0;
  for (int i = 0; i < count; i++) {
    if (sigismember(&wanted, numbers[i]) != 1) continue;
    struct sigaction action = {0};
    action.sa_handler = platform_pass_on;
    action.sa_flags = SA_RESTART;
    sigaction(numbers[i], &action, NULL);
  }
  int number = 0;
  while (sigwait(&wanted, &number) != 0) {}
  return number;
}

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// Two pools for all threads. When pools give memory back is left to the C library: told to, it asks the system for every
// larger piece anew.
static inline void platform_keep_little_freed_memory(void) {
#if defined(__GLIBC__)
  mallopt(M_ARENA_MAX, 2);
#endif
}

#if defined(__linux__)
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

// O_DIRECT, upon which the processors do not agree.
#if defined(O_DIRECT)
enum { platform_open_direct = O_DIRECT };
#else
enum { platform_open_direct = __O_DIRECT };
#endif

// The file system of an open file, by its number in <linux/magic.h>; 0 where that cannot be told.
static inline unsigned long platform_file_system(int file) {
  struct statfs status;
  return fstatfs(file, &status) == 0 ? (unsigned long)status.f_type : 0;
}

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t count,
                        unsigned flags);
int syncfs(int file);
int sync_file_range(int file, off_t offset, off_t count, unsigned flags);
int fallocate(int file, int mode, off_t offset, off_t length);

// renameat2, which musl has since 1.2.6 only.
#if defined(__GLIBC__)
int renameat2(int old_folder, const char *old_path, int new_folder, const char *new_path,
              unsigned flags);
#endif

static inline int platform_rename(const char *old_path, const char *new_path, unsigned flags) {
#if defined(__GLIBC__)
  return renameat2(AT_FDCWD, old_path, AT_FDCWD, new_path, flags);
#else
  return (int)syscall(SYS_renameat2, AT_FDCWD, old_path, AT_FDCWD, new_path, flags);
#endif
}
#endif
