// Linux calls that the C library's headers show only with _GNU_SOURCE, which Swift's module of
// them does not define.
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

#if defined(__linux__)
#include <stddef.h>
#include <sys/types.h>

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t count,
                        unsigned flags);
int sync_file_range(int file, off_t offset, off_t count, unsigned flags);
int renameat2(int old_folder, const char *old_path, int new_folder, const char *new_path,
              unsigned flags);
int fallocate(int file, int mode, off_t offset, off_t length);
#endif
