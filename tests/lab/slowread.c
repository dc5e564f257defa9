/* Lets no answer by TCP be there at once, as if the network took its time.
 *
 * cc -O1 -shared -fPIC -o slowread.so slowread.c; LD_PRELOAD=slowread.so sstpc ...
 *
 * sstpc 1.0.18 waits for ever where a TLS handshake is over without a single read that had to wait (EAGAIN): it has
 * not asked for the events of its socket by then. On a network that does not happen; in a laboratory it often does, and
 * with TLS 1.3, whose server answers once, more often. Here the first read after each write has to wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 1024

static char written[MOST];

static int by_tcp(int file)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;
    return !getsockopt(file, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) && protocol == IPPROTO_TCP &&
           fcntl(file, F_GETFL) & O_NONBLOCK;
}

ssize_t write(int file, const void *data, size_t size)
{
    int before = errno;
    if (file >= 0 && file < MOST)
        written[file] = (char)by_tcp(file);
    errno = before;
    return syscall(SYS_write, file, data, size);
}

ssize_t read(int file, void *data, size_t size)
{
    if (file >= 0 && file < MOST && written[file]) {
        written[file] = 0;
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_read, file, data, size);
}
