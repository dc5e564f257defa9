/*
 * Clients of IP-HTTPS in one process, each with a TUN device on this host: less work than our own client's, so that more
 * of the machine is left for the server.
 *
 *     light_clients AUTHORITY CERTIFICATE KEY ADDRESS COUNT
 *
 * makes the devices light1 to lightCOUNT, opens a session for each, prints `joined`, and carries packets until it is ended.
 * Cutting and joining of superpackets is that of our own client (offload.c).
 */

#include "session.h"

#include "../iphttps/host/device/offload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUN_F_USO6 /* before Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
    MTU = 1280,
    HEADER = 40,
    RECORD = 1 << 14,
    WIRE = 2 * EXPANDED,  /* a superpacket in records */
    STREAM = 1 << 18,     /* packets that have come */
    MOST = STREAM / HEADER,
    EVENTS = 256,
};

struct client {
    SSL *tls;
    int fd, tun, blocked;                /* blocked: the socket has not taken all of `wire` */
    unsigned char *wire, *stream;
    size_t length, begin, filled;        /* of `wire`; what of it is sent; of `stream` */
};

static int poller;

static int make_device(unsigned number)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    snprintf(request.ifr_name, sizeof request.ifr_name, "light%u", number);
    const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
        fail(request.ifr_name);
    if (ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6) &&
        ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO6))
        fail("TUNSETOFFLOAD");
    return tun;
}

/* Waits for what can be done now: while the socket is full, the device keeps its packets. */
static void watch(struct client *client, int operation)
{
    struct epoll_event wire = {.events = EPOLLIN | (client->blocked ? EPOLLOUT : 0), .data.ptr = client};
    struct epoll_event device = {.events = client->blocked ? 0 : EPOLLIN, .data.u64 = (uintptr_t)client | 1};
    if (epoll_ctl(poller, operation, client->fd, &wire) || epoll_ctl(poller, operation, client->tun, &device))
        fail("epoll_ctl");
}

static void transmit(struct client *client)
{
    const ssize_t taken =
        send(client->fd, client->wire + client->begin, client->length - client->begin, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN)
        fail("send");
    client->begin += taken > 0 ? (size_t)taken : 0;
    const int blocked = client->begin < client->length;
    if (blocked != client->blocked) {
        client->blocked = blocked;
        watch(client, EPOLL_CTL_MOD);
    }
}

/* Takes one superpacket, or one packet, from the device. */
static void from_device(struct client *client)
{
    static uint8_t packet[LARGEST + 1], out[EXPANDED];
    struct virtio_net_hdr hint;
    struct iovec parts[] = {{&hint, sizeof hint}, {packet, sizeof packet}};
    size_t step;
    const ssize_t got = readv(client->tun, parts, 2);
    if (got < (ssize_t)sizeof hint)
        return;
    const long made = offload_cut(&hint, packet, (size_t)got - sizeof hint, false, MTU, out, &step);
    if (made <= 0)
        return;
    if (SSL_write(client->tls, out, (int)made) <= 0)
        fail("SSL_write");
    client->length = (size_t)BIO_read(SSL_get_wbio(client->tls), client->wire, WIRE);
    client->begin = 0;
    transmit(client);
}

/* Gives the whole packets that have come to the device. */
static void to_device(struct client *client)
{
    static uint32_t bounds[MOST + 1];
    size_t count = 0, at = 0;
    while (client->filled - at >= HEADER) {
        const size_t end = at + HEADER + ((size_t)client->stream[at + 4] << 8 | client->stream[at + 5]);
        if (end > client->filled)
            break;
        bounds[++count] = (uint32_t)(at = end);
    }
    offload_join(client->tun, client->stream, bounds, count, true);
    memmove(client->stream, client->stream + at, client->filled - at);
    client->filled -= at;
}

static void from_wire(struct client *client)
{
    for (;;) {
        const int got = SSL_read(client->tls, client->stream + client->filled, (int)(STREAM - client->filled));
        if (got <= 0) {
            if (SSL_get_error(client->tls, got) != SSL_ERROR_WANT_READ)
                fail("the server has closed a session");
            break;
        }
        client->filled += (size_t)got;
        if (STREAM - client->filled < HEADER + UINT16_MAX + RECORD)
            to_device(client);
    }
    to_device(client);
}

static void join(struct client *client, SSL_CTX *context, const struct sockaddr_in6 *server, size_t number)
{
    struct opened opened;
    session_open(&opened, context, server);
    session_release(&opened);
    client->tls = opened.tls;
    client->fd = opened.fd;
    client->tun = make_device((unsigned)number);
    client->wire = malloc(WIRE);
    client->stream = malloc(STREAM);
    if (!client->wire || !client->stream)
        fail("malloc");
    memcpy(client->stream, opened.rest, opened.length);
    client->filled = opened.length;
    watch(client, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 server = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct epoll_event events[EVENTS];
    if (argc != 6 || inet_pton(AF_INET6, argv[4], &server.sin6_addr) != 1) {
        fprintf(stderr, "usage: light_clients AUTHORITY CERTIFICATE KEY ADDRESS COUNT\n");
        return 2;
    }
    const size_t number = strtoul(argv[5], NULL, 10);
    struct client *clients = calloc(number, sizeof *clients);
    many_files();
    poller = epoll_create1(EPOLL_CLOEXEC);
    SSL_CTX *context = session_context(argv + 1);
    if (!clients || poller < 0)
        fail("start");
    for (size_t at = 0; at < number; at++)
        join(&clients[at], context, &server, at + 1);
    printf("joined\n");
    fflush(stdout);
    for (;;) {
        const int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            struct client *client = (struct client *)(uintptr_t)(events[at].data.u64 & ~(uint64_t)1);
            if (events[at].data.u64 & 1) {
                if (!client->blocked)
                    from_device(client);
                continue;
            }
            if (events[at].events & EPOLLOUT)
                transmit(client);
            if (events[at].events & ~(uint32_t)EPOLLOUT)
                from_wire(client);
        }
    }
}
