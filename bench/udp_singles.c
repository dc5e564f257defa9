/*
 * UDP packets for many clients, one for each in turn.
 *
 *     udp_singles PREFIX COUNT SIZE RATE
 *
 * prints `going`, and sends packets of SIZE bytes, IPv6 header included, to the sessions 1 to COUNT of sessions.c: RATE a
 * second in all, or as many as it can with 0, until it is ended. PREFIX is that of the tunnel, without its length.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADERS 48 /* IPv6 and UDP */
#define DISCARD 9
#define GATHERED 32
#define BEHIND 0.005 /* seconds, after which what is missing is not made up for */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct in6_addr prefix;
    if (argc != 5 || inet_pton(AF_INET6, argv[1], &prefix) != 1) {
        fprintf(stderr, "usage: udp_singles PREFIX COUNT SIZE RATE\n");
        return 2;
    }
    const uint32_t count = (uint32_t)atoi(argv[2]);
    const size_t size = (size_t)atoi(argv[3]) - HEADERS;
    const double rate = atof(argv[4]);
    struct sockaddr_in6 *addresses = calloc(count, sizeof *addresses);
    char *data = calloc(1, size);
    const int wire = socket(AF_INET6, SOCK_DGRAM, 0);
    if (!count || !addresses || !data || wire < 0) {
        perror("udp_singles");
        return 1;
    }
    for (uint32_t number = 0; number < count; number++) {
        addresses[number].sin6_family = AF_INET6;
        addresses[number].sin6_port = htons(DISCARD);
        addresses[number].sin6_addr = prefix;
        addresses[number].sin6_addr.s6_addr[8] = 2;
        addresses[number].sin6_addr.s6_addr[11] = 1;
        const uint32_t identifier = htonl(number + 1);
        memcpy(addresses[number].sin6_addr.s6_addr + 12, &identifier, 4);
    }
    struct iovec content = {data, size};
    struct mmsghdr messages[GATHERED];
    memset(messages, 0, sizeof messages);
    for (int at = 0; at < GATHERED; at++) {
        messages[at].msg_hdr.msg_iov = &content;
        messages[at].msg_hdr.msg_iovlen = 1;
        messages[at].msg_hdr.msg_namelen = sizeof *addresses;
    }
    printf("going\n");
    fflush(stdout);
    uint32_t next = 0;
    for (double due = now();;) {
        for (int at = 0; at < GATHERED; at++) {
            messages[at].msg_hdr.msg_name = &addresses[next];
            next = (next + 1) % count;
        }
        sendmmsg(wire, messages, GATHERED, 0);
        if (rate <= 0)
            continue;
        due += GATHERED / rate;
        const double early = due - now();
        if (early > 0)
            usleep((useconds_t)(early * 1e6));
        else if (early < -BEHIND)
            due = now();
    }
}
