/*
 * A crowd of busy clients in one process: sessions of IP-HTTPS that send as fast as they are taken, or only receive.
 *
 *     sessions AUTHORITY CERTIFICATE KEY ADDRESS COUNT SIZE RECORD
 *
 * opens COUNT sessions one after the other and prints `joined`. From each SIGUSR1 to the next all of them send packets
 * of SIZE bytes to nowhere in records of RECORD bytes; packets follow each other without regard to records.
 * They always read what comes, and send a packet a second at least. SIGUSR2 prints `counted`, the number of sessions that are open, and for each session the
 * packets that it has sent and received.
 *
 * Session N, from 1 on, has the address 2001:db8:2::200:1:N (interface identifiers as in idle_clients.py).
 */

#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "2001:db8:2::"
#define NOWHERE "2001:db8:dead::1"
#define UDP 17
#define DISCARD 9 /* the port (RFC 863) */

enum {
    HEADERS = 48, /* IPv6 and UDP */
    OVERHEAD = 22,   /* of a TLS record */
    PIECE = 1 << 16, /* on the wire, about */
    WIRE = 2 * PIECE,
    SEND_BUFFER = 1 << 18,
    EVENTS = 256,
};

struct session {
    SSL *tls;
    int fd, open, waiting;           /* waiting: for room in the socket */
    unsigned char *stream, *wire;    /* packets, repeated; records that the socket has not taken */
    size_t offset, length, begin;    /* in the stream; of the records; what the socket has taken of them */
    size_t left, headed;             /* of the packet that comes: bytes to come, bytes of its header */
    unsigned char header[40];
    unsigned long sent, received; /* bytes; packets */
};

static size_t size, record, piece;
static int sending, poller;

static uint16_t checksum(const unsigned char *packet, size_t length)
{
    uint32_t total = htons((uint16_t)(length - 40)) + htons(UDP);
    for (size_t at = 8; at < length; at += 2) {
        uint16_t word = 0;
        memcpy(&word, packet + at, at + 1 < length ? 2 : 1);
        total += word;
    }
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    total = ~total & 0xffff;
    return total ? (uint16_t)total : 0xffff;
}

/* Writes one packet of `size` bytes from session `number`. */
static void make_packet(unsigned char *packet, uint32_t number)
{
    const uint16_t length = htons((uint16_t)(size - 40)), ports[] = {htons(DISCARD), htons(DISCARD)};
    memset(packet, 0, size);
    packet[0] = 0x60;
    memcpy(packet + 4, &length, 2);
    packet[6] = UDP;
    packet[7] = 64;
    inet_pton(AF_INET6, PREFIX, packet + 8);
    packet[16] = 2;
    packet[19] = 1;
    number = htonl(number);
    memcpy(packet + 20, &number, 4);
    inet_pton(AF_INET6, NOWHERE, packet + 24);
    memcpy(packet + 40, ports, 4);
    memcpy(packet + 44, &length, 2);
    const uint16_t sum = checksum(packet, size);
    memcpy(packet + 46, &sum, 2);
}

static void watch(struct session *session, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (session->waiting ? EPOLLOUT : 0), .data.ptr = session};
    if (epoll_ctl(poller, operation, session->fd, &event))
        fail("epoll_ctl");
}

static void end(struct session *session)
{
    session->open = 0;
    close(session->fd);
}

/* Counts the whole packets in what has come. */
static void count(struct session *session, const unsigned char *data, size_t length)
{
    while (length) {
        size_t taken;
        if (session->left) {
            taken = length < session->left ? length : session->left;
            session->left -= taken;
        } else {
            taken = length < 40 - session->headed ? length : 40 - session->headed;
            memcpy(session->header + session->headed, data, taken);
            session->headed += taken;
            if (session->headed == 40)
                session->left = (size_t)session->header[4] << 8 | session->header[5];
        }
        data += taken;
        length -= taken;
        if (session->headed == 40 && !session->left) {
            session->headed = 0;
            session->received++;
        }
    }
}

static void receive(struct session *session)
{
    static unsigned char data[1 << 14];
    for (;;) {
        const int got = SSL_read(session->tls, data, sizeof data);
        if (got <= 0) {
            if (SSL_get_error(session->tls, got) != SSL_ERROR_WANT_READ)
                end(session);
            return;
        }
        count(session, data, (size_t)got);
    }
}

/* Encrypts one more piece of packets. */
static void encrypt(struct session *session)
{
    BIO *records = SSL_get_wbio(session->tls);
    for (size_t done = 0; done < piece; done += record) {
        if (SSL_write(session->tls, session->stream + session->offset, (int)record) <= 0)
            fail("SSL_write");
        session->offset = (session->offset + record) % size;
    }
    session->length = (size_t)BIO_read(records, session->wire, WIRE);
    session->begin = 0;
    session->sent += piece;
}

/* Sends one piece, or as much of it as the socket takes. */
static void transmit(struct session *session)
{
    if (session->begin == session->length) {
        if (!sending) {
            session->waiting = 0;
            watch(session, EPOLL_CTL_MOD);
            return;
        }
        encrypt(session);
    }
    const ssize_t taken =
        send(session->fd, session->wire + session->begin, session->length - session->begin, MSG_NOSIGNAL);
    if (taken >= 0)
        session->begin += (size_t)taken;
    else if (errno != EAGAIN)
        end(session);
}

static void join(struct session *session, SSL_CTX *context, const struct sockaddr_in6 *server, uint32_t number)
{
    const int buffer = SEND_BUFFER;
    struct opened opened;
    session_open(&opened, context, server);
    session->tls = opened.tls;
    session->fd = opened.fd;
    setsockopt(session->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    count(session, opened.rest, opened.length);
    session->stream = malloc(2 * size + record);
    session->wire = malloc(WIRE);
    if (!session->stream || !session->wire)
        fail("malloc");
    for (size_t at = 0; at < size + record; at += size)
        make_packet(session->stream + at, number);
    /* The first packet binds the address to the session. */
    if (SSL_write(session->tls, session->stream, (int)size) <= 0)
        fail("first packet");
    session_release(&opened);
    session->open = 1;
    watch(session, EPOLL_CTL_ADD);
}

/* Sends one packet on each session that is silent, so that the server does not take its address for gone. */
static void greet(struct session *sessions, size_t number)
{
    for (size_t at = 0; at < number; at++) {
        struct session *session = &sessions[at];
        if (!session->open || session->waiting || session->offset)
            continue;
        if (SSL_write(session->tls, session->stream, (int)size) <= 0)
            fail("SSL_write");
        session->length = (size_t)BIO_read(SSL_get_wbio(session->tls), session->wire, WIRE);
        session->begin = 0;
        session->waiting = 1;
        watch(session, EPOLL_CTL_MOD);
    }
}

static void report(const struct session *sessions, size_t number)
{
    size_t open = 0;
    for (size_t at = 0; at < number; at++)
        open += (size_t)sessions[at].open;
    printf("counted %zu", open);
    for (size_t at = 0; at < number; at++)
        printf(" %lu %lu", sessions[at].sent / size, sessions[at].received);
    printf("\n");
    fflush(stdout);
}

static void command(int signals, struct session *sessions, size_t number)
{
    struct signalfd_siginfo taken;
    if (read(signals, &taken, sizeof taken) != sizeof taken)
        fail("signalfd");
    if (taken.ssi_signo == SIGUSR2) {
        report(sessions, number);
        return;
    }
    sending = !sending;
    for (size_t at = 0; sending && at < number; at++)
        if (sessions[at].open && !sessions[at].waiting) {
            sessions[at].waiting = 1;
            watch(&sessions[at], EPOLL_CTL_MOD);
        }
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 server = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    sigset_t set;
    if (argc != 8 || inet_pton(AF_INET6, argv[4], &server.sin6_addr) != 1) {
        fprintf(stderr, "usage: sessions AUTHORITY CERTIFICATE KEY ADDRESS COUNT SIZE RECORD\n");
        return 2;
    }
    const size_t number = strtoul(argv[5], NULL, 10);
    size = strtoul(argv[6], NULL, 10);
    record = strtoul(argv[7], NULL, 10);
    if (!number || size < HEADERS || !record || record > 1 << 14) {
        fprintf(stderr, "sessions: COUNT from 1, SIZE from %d, RECORD from 1 to %d\n", HEADERS, 1 << 14);
        return 2;
    }
    piece = record * (1 + PIECE / (record + OVERHEAD));
    many_files();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const int signals = signalfd(-1, &set, SFD_CLOEXEC);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    struct session *sessions = calloc(number, sizeof *sessions);
    if (signals < 0 || poller < 0 || !sessions || epoll_ctl(poller, EPOLL_CTL_ADD, signals, &event))
        fail("start");
    SSL_CTX *tls = session_context(argv + 1);
    for (size_t at = 0; at < number; at++)
        join(&sessions[at], tls, &server, (uint32_t)at + 1);
    printf("joined\n");
    fflush(stdout);
    for (time_t due = time(NULL) + 1;;) {
        const int ready = epoll_wait(poller, events, EVENTS, 1000);
        if (time(NULL) >= due) {
            due = time(NULL) + 1;
            greet(sessions, number);
        }
        for (int at = 0; at < ready; at++) {
            struct session *session = events[at].data.ptr;
            if (!session) {
                command(signals, sessions, number);
                continue;
            }
            if (events[at].events & ~(uint32_t)EPOLLOUT)
                receive(session);
            if (session->open && events[at].events & EPOLLOUT)
                transmit(session);
        }
    }
}
