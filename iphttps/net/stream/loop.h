/* Loops over the packets in a stream (loop.c). */

#ifndef IPHTTPS_LOOP_H
#define IPHTTPS_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOOP_SSTP = 4, LOOP_FRAME = 4,    /* bytes of SSTP's header of a data packet, and of PPP's longest header */
    LOOP_IPV4 = 20, LOOP_IPV6 = 40,   /* bytes of an IP header without options or extension headers */
    LOOP_LONGEST = 0x0fff             /* bytes of an SSTP packet, whose Length has 12 bits ([MS-SSTP] 2.2.1) */
};

/* Consecutive data packets of one form: how many, the bytes of their payload, and their bytes in the stream. */
struct run { size_t packets, payload, size; };

/* Packets with the same addresses: the number of the first, how many there are, and their bytes; and the addresses. */
struct flow {
    size_t first, packets, size, length;
    const uint8_t *addresses;
};

/* Tells whether a header was accepted before: 1 or 0, or -1 if that cannot be told. */
typedef int loop_lookup(void *context, const uint8_t *header, size_t length);

/* OpenSSL's SSL_read. */
typedef int loop_read(void *ssl, void *buffer, int size);

#pragma GCC visibility push(hidden)
size_t loop_decrypt(loop_read *read, void *ssl, uint8_t *out, size_t room, size_t *records);
size_t loop_scan(const uint8_t *data, size_t size, uint32_t *bounds, size_t room);
int loop_proven(const uint8_t *data, const uint32_t *bounds, size_t packets, loop_lookup *lookup, void *context);
size_t loop_sort(const uint8_t *data, const uint32_t *bounds, size_t packets, bool sources, struct flow *flows,
                 uint32_t *of, uint32_t *slots, size_t room);
struct run loop_measure(const uint8_t *data, size_t size, const uint8_t *frame, size_t length);
void loop_strip(const uint8_t *data, size_t packets, size_t header, uint8_t *out, uint32_t *bounds);
void loop_encode(const uint8_t *data, const uint32_t *bounds, size_t packets, const uint8_t *const frames[2],
                 size_t length, uint8_t *out);
#pragma GCC visibility pop

#endif
