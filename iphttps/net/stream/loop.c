/* The loops over the packets of a batch: framing, SSTP's headers, and the check of headers that were accepted before; and
 * the one over the records of TLS.
 *
 * Each does what a loop in Python does (iphttps/core/loops.py names them), for the packets that nearly all are. It may
 * stop before any packet: Python goes on there, and decides about everything unusual.
 *
 * This file knows nothing of Python, so that it can be fuzzed by itself (tests/fuzz); loop_module.c does.
 */

#include "loop.h"

#include <string.h>

enum {
    ICMP = 1, PROTOCOL = 9, SOURCE = 12, TOTAL_LENGTH = 2, USUAL = 0x45, /* of IPv4, RFC 791 section 3.1 */
    NEXT_HEADER = 6, PAYLOAD_LENGTH = 4,                                 /* of IPv6, RFC 8200 section 3 */
    FIRST_IPV6 = 0x60, VERSION = 0x10,                                   /* first bytes, of IP and of SSTP */
    NUMBER_IPV4 = 0x21, NUMBER_IPV6 = 0x57,                              /* the low bytes of PPP's protocol numbers */
    RECORD = 1 << 14,                                                    /* bytes of a record, RFC 8446 section 5.1 */
    PROBES = 16, /* slots in which a flow is looked for */
    RECENT = 4   /* headers that are compared before the lookup: most packets of a batch are of few flows */
};

static size_t get16(const uint8_t *from) { return (size_t)from[0] << 8 | from[1]; }

/* Read records of a TLS connection into `out`, which has room for so many bytes, until it is full or nothing comes; count
 * them. Return the bytes. The reason of an end is for OpenSSL's caller, who gets it when reading once more. */
size_t loop_decrypt(loop_read *read, void *ssl, uint8_t *out, size_t room, size_t *records)
{
    size_t used = 0;
    for (*records = 0; used < room; ++*records) {
        size_t left = room - used;
        int got = read(ssl, out + used, left > RECORD ? RECORD : (int)left);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    return used;
}

/* Write the bounds of the whole IPv6 packets laid end to end at the start of `data` (3.1.5.3), as those of a Batch: the
 * start of each, then the end of the last. Return their number, at least one and at most `room`. */
size_t loop_scan(const uint8_t *data, size_t size, uint32_t *bounds, size_t room)
{
    size_t offset = 0, count = 1;
    bounds[0] = 0;
    while (size - offset >= LOOP_IPV6 && count < room && data[offset] >> 4 == 6) {
        size_t length = LOOP_IPV6 + get16(data + offset + PAYLOAD_LENGTH);
        if (length > size - offset)
            break;
        offset += length;
        bounds[count++] = (uint32_t)offset;
    }
    return count;
}

/* Tell whether the headers of all packets were accepted before; -1 if a lookup fails. What is looked up are the
 * addresses, and of IPv6 the Next Header and Hop Limit in front of them. ICMP of IPv4 is looked at each time. */
int loop_proven(const uint8_t *data, const uint32_t *bounds, size_t packets, loop_lookup *lookup, void *context)
{
    const uint8_t *recent[RECENT] = {NULL};
    size_t lengths[RECENT] = {0}, next = 0;
    for (size_t i = 0; i < packets; i++) {
        const uint8_t *packet = data + bounds[i];
        size_t size = bounds[i + 1] - bounds[i];
        bool four = size && packet[0] < FIRST_IPV6;
        size_t from = four ? SOURCE : NEXT_HEADER, to = four ? LOOP_IPV4 : LOOP_IPV6, at = 0;
        if (size < to || (four && packet[PROTOCOL] == ICMP))
            return 0;
        while (at < RECENT && !(lengths[at] == to - from && memcmp(recent[at], packet + from, to - from) == 0))
            at++;
        if (at < RECENT)
            continue;
        int found = lookup(context, packet + from, to - from);
        if (found <= 0)
            return found;
        recent[next] = packet + from, lengths[next] = to - from;
        next = (next + 1) % RECENT;
    }
    return 1;
}

/* Find the addresses of a packet that decide where it goes: the destination, with the source in front of it if `sources`.
 * They are `length` bytes, fewer if the packet ends before. */
static const uint8_t *addresses(const uint8_t *packet, size_t size, bool sources, size_t *length)
{
    bool four = size && packet[0] < FIRST_IPV6;
    size_t end = four ? LOOP_IPV4 : LOOP_IPV6, both = four ? 8 : 32, from = end - (sources ? both : both / 2);
    from = from < size ? from : size;
    *length = (end < size ? end : size) - from;
    return packet + from;
}

static size_t hash(const uint8_t *bytes, size_t length)
{
    uint32_t word, total = 0;
    for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        total = (total ^ word) * 0x9e3779b1u;
    }
    return total ^ total >> 15;
}

/* Sort packets into flows, in the order of their first packets; return the number of flows. `of` gets the flow of each
 * packet. `flows` and `of` have room for as many as there are packets, `slots` for `room` zeros, a power of two and more
 * than there are packets. A flow comes in several parts if addresses are chosen to collide. */
size_t loop_sort(const uint8_t *data, const uint32_t *bounds, size_t packets, bool sources, struct flow *flows,
                 uint32_t *of, uint32_t *slots, size_t room)
{
    size_t count = 0, slot = 0;
    for (size_t i = 0; i < packets; i++) {
        size_t size = bounds[i + 1] - bounds[i], length;
        const uint8_t *found = addresses(data + bounds[i], size, sources, &length);
        struct flow *flow = i ? &flows[of[i - 1]] : NULL;
        if (!flow || flow->length != length || memcmp(flow->addresses, found, length) != 0) {
            slot = hash(found, length);
            for (size_t probes = 0;; probes++, slot++) {
                slot &= room - 1;
                flow = slots[slot] ? &flows[slots[slot] - 1] : NULL;
                if (!flow || probes == PROBES ||
                    (flow->length == length && memcmp(flow->addresses, found, length) == 0))
                    break;
            }
            if (!flow || flow->length != length || memcmp(flow->addresses, found, length) != 0) {
                flow = &flows[count++];
                *flow = (struct flow){i, 0, 0, length, found};
                slots[slot] = (uint32_t)count;
            }
        }
        flow->packets++, flow->size += size;
        of[i] = (uint32_t)(flow - flows);
    }
    return count;
}

/* Measure the data packets at the start of `data` that have the PPP header `frame`, or the same with the protocol number
 * of the other version of IP, and hold exactly one IP packet. Reserved bits are zero in all of them. */
struct run loop_measure(const uint8_t *data, size_t size, const uint8_t *frame, size_t length)
{
    struct run run = {0, 0, 0};
    size_t header = LOOP_SSTP + length;
    if (length == 0)
        return run;
    while (size - run.size >= header + LOOP_IPV4) {
        const uint8_t *packet = data + run.size, *inner = packet + header;
        uint8_t number = inner[-1];
        size_t inside;
        if (memcmp(packet + LOOP_SSTP, frame, length - 1) != 0)
            break;
        if (number == NUMBER_IPV4 && inner[0] == USUAL)
            inside = get16(inner + TOTAL_LENGTH);
        else if (number == NUMBER_IPV6 && inner[0] >> 4 == 6)
            inside = LOOP_IPV6 + get16(inner + PAYLOAD_LENGTH);
        else
            break;
        size_t whole = header + inside;
        if (inside < LOOP_IPV4 || whole > LOOP_LONGEST || whole > size - run.size || packet[0] != VERSION ||
            packet[1] != 0 || get16(packet + 2) != whole)
            break;
        run.packets++, run.payload += inside, run.size += whole;
    }
    return run;
}

/* Write the IP packets of a run that was measured, end to end, and their bounds, one more than there are packets; in
 * front of each are `header` bytes, SSTP's and PPP's. */
void loop_strip(const uint8_t *data, size_t packets, size_t header, uint8_t *out, uint32_t *bounds)
{
    uint32_t total = bounds[0] = 0;
    for (size_t i = 1; i <= packets; i++) {
        size_t whole = get16(data + 2), inside = whole - header;
        memcpy(out + total, data + header, inside);
        bounds[i] = total += (uint32_t)inside;
        data += whole;
    }
}

/* Write packets with SSTP's and PPP's headers in front of each. Of `frames`, PPP's headers of `length` bytes, the first
 * is for IPv4. None of the packets is empty, and with its headers none is longer than LOOP_LONGEST. */
void loop_encode(const uint8_t *data, const uint32_t *bounds, size_t packets, const uint8_t *const frames[2],
                 size_t length, uint8_t *out)
{
    for (size_t i = 0; i < packets; i++) {
        const uint8_t *packet = data + bounds[i];
        size_t inside = bounds[i + 1] - bounds[i], whole = LOOP_SSTP + length + inside;
        out[0] = VERSION, out[1] = 0, out[2] = (uint8_t)(whole >> 8), out[3] = (uint8_t)whole;
        memcpy(out + LOOP_SSTP, frames[packet[0] >= FIRST_IPV6], length);
        memcpy(out + LOOP_SSTP + length, packet, inside);
        out += whole;
    }
}
