/* Lets a User-Mode Linux guest run on a CPU whose extended state is larger than the guest's kernel expects.
 *
 * cc -O1 -shared -fPIC -o umlfp.so umlfp.c; LD_PRELOAD=umlfp.so linux.uml ...
 *
 * The guest's kernel restores a process's floating-point registers by PTRACE_SETREGSET with a buffer of 2 KiB or so.
 * Where the CPU has AMX, the host's kernel takes no image that is shorter than its own, and the guest panics: "ptrace
 * set fp regs failed". Here the short image is laid over the full one, read back first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202 /* NT_X86_XSTATE of elf.h */

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    long pid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_SETREGSET && (long)address == XSTATE) {
        static __thread char image[32768] __attribute__((aligned(64)));
        struct iovec *given = data, full = {image, sizeof image};
        if (!syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &full) && full.iov_len > given->iov_len) {
            memcpy(image, given->iov_base, given->iov_len);
            return syscall(SYS_ptrace, request, pid, address, &full);
        }
    }
    /* The system call stores what it has read; the C library's function returns it (ptrace(2)). */
    if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
        long value, result = syscall(SYS_ptrace, request, pid, address, &value);
        if (result < 0)
            return result;
        errno = 0;
        return value;
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
