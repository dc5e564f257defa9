/* Cutting superpackets and joining packets (offload.c). */

#ifndef IPHTTPS_OFFLOAD_H
#define IPHTTPS_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IPV4 = 20, IPV6 = 40, /* bytes of a header without options or extension headers */
    LARGEST = IPV6 + 65535, /* bytes of a superpacket */
    EXPANDED = 256 * 1024,  /* bytes that one superpacket may become: 36 bytes a segment, the least that Linux sends */
    NOT_CARRIED = -1, WRONG_LENGTH = -2, OVERSIZE = -3 /* why a read is dropped; the first for its version of IP */
};

struct refusal { size_t packets, bytes; };

#pragma GCC visibility push(hidden)
long offload_cut(const struct virtio_net_hdr *hint, const uint8_t *packet, size_t length, bool ipv4, size_t mtu,
                 uint8_t *out, size_t *step);
struct refusal offload_join(int device, const uint8_t *data, const uint32_t *bounds, size_t count, bool datagrams);
#pragma GCC visibility pop

#endif
