/* The kernel's segmentation offload on a TUN device: a superpacket from one read is cut into packets, and consecutive
 * packets of a flow are joined for one write.
 *
 * With a virtio-net header before each packet (linux/virtio_net.h) the kernel exchanges up to 64 kB of one TCP or UDP
 * flow at once: a superpacket, which costs hardly more than one packet. The rest of the program handles packets only;
 * both ends see the same bytes as without offload.
 *
 * This file knows nothing of Python, so that it can be fuzzed by itself (tests/fuzz); offload_module.c does.
 */

#include "offload.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/uio.h>

#ifndef WRITEV
#define WRITEV writev
#endif

enum {
    TCP = 20, UDP = 8, LONGEST_TCP = 60, /* bytes of headers */
    SEGMENTS = 64,          /* joined at most: what older kernels take of UDP, and more than 64 kB of full ones */
    TRAINS = 8,             /* flows of which superpackets are in the making at the same time */
    FIN = 0x01, PSH = 0x08, ACK = 0x10, ECE = 0x40, CWR = 0x80,
    DF = 0x4000, OFFSET = 0x1fff,        /* Flags and Fragment Offset of IPv4 (RFC 791 section 3.1) */
    GSO_UDP_L4 = 5          /* VIRTIO_NET_HDR_GSO_UDP_L4, which older headers lack */
};

/* Where the versions of IP differ: offsets and sizes, in bytes, of a header without options or extension headers. */
struct version {
    size_t header, protocol, addresses, both_addresses, largest; /* the last is of a packet */
    uint8_t gso_tcp;
};
static const struct version FOUR = {IPV4, 9, 12, 8, 65535, VIRTIO_NET_HDR_GSO_TCPV4};        /* RFC 791 section 3.1 */
static const struct version SIX = {IPV6, 6, 8, 32, LARGEST, VIRTIO_NET_HDR_GSO_TCPV6};       /* RFC 8200 section 3 */

static const struct version *version_of(const uint8_t *packet) { return packet[0] >> 4 == 4 ? &FOUR : &SIX; }

static uint16_t get16(const uint8_t *from) { return (uint16_t)(from[0] << 8 | from[1]); }
static uint32_t get32(const uint8_t *from) { return (uint32_t)get16(from) << 16 | get16(from + 2); }
static void put16(uint8_t *to, size_t value) { to[0] = (uint8_t)(value >> 8), to[1] = (uint8_t)value; }
static void put32(uint8_t *to, uint32_t value) { put16(to, value >> 16), put16(to + 2, value & 0xffff); }

/* The Internet checksum (RFC 1071). Sums stay in network byte order, as the words are in memory. */

static uint64_t sum(const uint8_t *bytes, size_t length)
{
    uint64_t total = 0;
    uint32_t word;
    for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        total += word;
    }
    word = 0;
    memcpy(&word, bytes, length);
    return total + word;
}

static uint16_t fold(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)total;
}

/* The pseudo-header (RFC 8200 section 8.1, RFC 9293 section 3.1) of a packet with a bare header. */
static uint64_t pseudo_header(const uint8_t *packet, size_t length)
{
    const struct version *ip = version_of(packet);
    return sum(packet + ip->addresses, ip->both_addresses) + htons(packet[ip->protocol]) + htons((uint16_t)length);
}

static void put_checksum(uint8_t *field, uint64_t total, bool udp)
{
    uint16_t value = (uint16_t)~fold(total);
    if (udp && value == 0)
        value = 0xffff; /* RFC 768: zero means no checksum */
    memcpy(field, &value, sizeof value);
}

/* Give an IP header, of so many bytes, the packet's length. Of IPv4 the Identification is raised by `number`, and the
 * checksum made anew. */
static void put_length(uint8_t *packet, size_t header, size_t length, size_t number)
{
    if (packet[0] >> 4 == 6) {
        put16(packet + 4, length - IPV6);
        return;
    }
    put16(packet + 2, length);
    put16(packet + 4, get16(packet + 4) + number); /* modulo 65536 */
    memset(packet + 10, 0, 2);
    put_checksum(packet + 10, sum(packet, header), false);
}

/* Cut what one read gave into packets, laid end to end in `out`, which has room for EXPANDED bytes and no fewer than
 * LARGEST. Return their size in all, and in `step` the length of each but the last, which may be shorter; or
 * why the read is dropped. A local program can write anything at all into a device. IPv4 passes only where the link
 * carries it, and packets of at most `mtu` bytes. */
long offload_cut(const struct virtio_net_hdr *hint, const uint8_t *packet, size_t length, bool ipv4, size_t mtu,
                 uint8_t *out, size_t *step)
{
    bool four = ipv4 && length >= IPV4 && packet[0] >> 4 == 4;
    if (!four && (length < IPV6 || packet[0] >> 4 != 6))
        return NOT_CARRIED;
    size_t ip = four ? (size_t)(packet[0] & 0x0f) * 4 : IPV6;
    size_t told = four ? get16(packet + 2) : (size_t)IPV6 + get16(packet + 4);
    size_t start = hint->csum_start, field = start + hint->csum_offset, size = hint->gso_size;
    bool unfinished = hint->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, udp = hint->csum_offset == 6;
    int kind = hint->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    if (length != told || ip < IPV4 || ip > length || (unfinished && (start < ip || field + 2 > length)))
        return WRONG_LENGTH;
    if (kind == VIRTIO_NET_HDR_GSO_NONE && length > mtu)
        return OVERSIZE; /* another program has raised the interface's MTU */
    if (kind == VIRTIO_NET_HDR_GSO_NONE) {
        memcpy(out, packet, length);
        if (unfinished) /* the checksum field holds the pseudo-header's sum */
            put_checksum(out + field, sum(out + start, length - start), udp);
        *step = length;
        return (long)length;
    }
    bool tcp = kind == (four ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6) && hint->csum_offset == 16;
    udp = kind == GSO_UDP_L4 && udp;
    if (!unfinished || !(tcp || udp) || size == 0 || start + (tcp ? TCP : UDP) > length)
        return WRONG_LENGTH;
    size_t headers = start + (tcp ? (size_t)(packet[start + 12] >> 4) * 4 : UDP), payload = length - headers;
    if (headers < start + (tcp ? TCP : UDP) || headers >= length)
        return WRONG_LENGTH;
    if (headers + size > mtu)
        return OVERSIZE;
    if ((payload / size + 1) * headers + payload > EXPANDED)
        return WRONG_LENGTH;
    /* Subtract the total length from the pseudo-header's sum; each segment adds its own. */
    uint16_t begun, whole = htons((uint16_t)(length - start));
    memcpy(&begun, packet + field, sizeof begun);
    uint64_t pseudo = (uint64_t)begun + (uint16_t)~whole;
    uint8_t *to = out;
    for (size_t done = 0; done < payload; done += size) {
        bool last = payload - done <= size;
        size_t part = last ? payload - done : size, transport = headers - start + part;
        memcpy(to, packet, headers);
        memcpy(to + headers, packet + headers + done, part);
        put_length(to, ip, headers + part, done / size);
        if (tcp) {
            put32(to + start + 4, get32(packet + start + 4) + (uint32_t)done);
            if (done) /* RFC 3168 section 6.1.2: CWR only on the first segment */
                to[start + 13] &= (uint8_t)~CWR;
            if (!last)
                to[start + 13] &= (uint8_t)~(FIN | PSH);
        } else {
            put16(to + start + 4, transport);
        }
        memset(to + field, 0, 2);
        put_checksum(to + field, pseudo + htons((uint16_t)transport) + sum(to + start, transport), udp);
        to += headers + part;
    }
    *step = headers + size;
    return to - out;
}

/* A superpacket being built: consecutive packets of one flow. */
struct train {
    const struct version *ip;
    size_t packets, headers, step, payload; /* bytes, but for the number of packets */
    uint32_t following;                     /* the sequence number of what comes next */
    bool pushed;
    const uint8_t *first;
    struct iovec parts[2 + SEGMENTS];       /* the hint, the headers, and each packet's payload */
};

static void put_one(int device, const uint8_t *packet, size_t length, struct refusal *refused)
{
    static const struct virtio_net_hdr nothing; /* the checksum is complete, and the kernel verifies it */
    struct iovec parts[] = {{(void *)&nothing, sizeof nothing}, {(void *)packet, length}};
    if (WRITEV(device, parts, 2) < 0)
        refused->packets++, refused->bytes += length;
}

/* Write a superpacket, or its only packet. */
static void depart(int device, struct train *train, struct refusal *refused)
{
    if (train->packets > 1) {
        size_t ip = train->ip->header;
        bool tcp = train->first[train->ip->protocol] == IPPROTO_TCP;
        uint8_t headers[IPV6 + LONGEST_TCP];
        size_t transport = train->headers - ip + train->payload;
        memcpy(headers, train->first, train->headers);
        put_length(headers, ip, ip + transport, 0);
        if (!tcp)
            put16(headers + ip + 4, transport);
        else if (train->pushed)
            headers[ip + 13] |= PSH;
        uint16_t begun = fold(pseudo_header(headers, transport));
        memcpy(headers + ip + (tcp ? 16 : 6), &begun, sizeof begun);
        struct virtio_net_hdr hint = {
            .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
            .gso_type = tcp ? train->ip->gso_tcp : GSO_UDP_L4,
            .hdr_len = (uint16_t)train->headers,
            .gso_size = (uint16_t)train->step,
            .csum_start = (uint16_t)ip,
            .csum_offset = tcp ? 16 : 6,
        };
        train->parts[0] = (struct iovec){&hint, sizeof hint};
        train->parts[1] = (struct iovec){headers, train->headers};
        if (WRITEV(device, train->parts, (int)(2 + train->packets)) < 0)
            refused->packets += train->packets, refused->bytes += train->packets * train->headers + train->payload;
    } else if (train->packets) {
        put_one(device, train->first, train->headers + train->payload, refused);
    }
    train->packets = 0;
}

/* Tell whether a packet, of at least IPV4 bytes, is whole, its IP header bare, and it no fragment. */
static bool bare(const uint8_t *packet, size_t length)
{
    if (packet[0] >> 4 == 6)
        return length >= IPV6 && get16(packet + 4) == length - IPV6;
    return packet[0] == 0x45 && get16(packet + 2) == length && !(get16(packet + 6) & ~DF) &&
           get16(packet + 10) != 0xffff && fold(sum(packet, IPV4)) == 0xffff; /* nobody computes that zero (RFC 1624) */
}

/* The length of the headers of a packet that can be one of a train; 0 if it cannot. Its checksum is verified here:
 * joined with others the kernel takes it as good. */
static size_t joinable(const uint8_t *packet, size_t length, bool datagrams)
{
    if (length < IPV4 + UDP || !bare(packet, length))
        return 0;
    const struct version *ip = version_of(packet);
    const uint8_t *transport = packet + ip->header, protocol = packet[ip->protocol];
    size_t rest = length - ip->header, headers = 0;
    if (protocol == IPPROTO_TCP && rest >= TCP && !(transport[12] & 0x0f) && transport[12] >= TCP << 2 &&
        (transport[13] & ~(PSH | ECE)) == ACK && get16(transport + 16) != 0xffff)
        headers = ip->header + (size_t)(transport[12] >> 2);
    else if (protocol == IPPROTO_UDP && datagrams && rest >= UDP && get16(transport + 6) != 0 &&
             get16(transport + 4) == rest)
        headers = ip->header + UDP;
    bool good = headers && headers < length && fold(pseudo_header(packet, rest) + sum(transport, rest)) == 0xffff;
    return good ? headers : 0;
}

/* Tell whether a packet of any kind belongs to the flow of one that is joinable: by addresses, protocol and ports. Where
 * it has no ports in their place, as a fragment of IPv4, or IPv4 with options, it may belong to any between the two. */
static bool same_flow(const uint8_t *one, const uint8_t *other, size_t length)
{
    const struct version *ip = version_of(one);
    if (length < ip->header || one[0] >> 4 != other[0] >> 4 || one[ip->protocol] != other[ip->protocol] ||
        memcmp(one + ip->addresses, other + ip->addresses, ip->both_addresses))
        return false;
    bool ports = length >= ip->header + UDP && (ip == &SIX || (other[0] == 0x45 && !(get16(other + 6) & OFFSET)));
    return !ports || memcmp(one + ip->header, other + ip->header, 4) == 0;
}

/* Tell whether the IP header is what the kernel makes of the first one when it cuts the superpacket. */
static bool same_header(const struct train *train, const uint8_t *packet)
{
    const uint8_t *first = train->first;
    if (train->ip == &SIX) /* Traffic Class, Flow Label, Hop Limit */
        return memcmp(first, packet, 4) == 0 && first[7] == packet[7];
    /* Type of Service, DF, Time to Live; and the next Identification, with DF too, where it means nothing (RFC 6864) */
    return first[1] == packet[1] && memcmp(first + 6, packet + 6, 3) == 0 &&
           get16(packet + 4) == (uint16_t)(get16(first + 4) + train->packets);
}

static bool continues(const struct train *train, const uint8_t *packet, size_t headers, size_t payload)
{
    size_t ip = train->ip->header;
    const uint8_t *one = train->first + ip, *other = packet + ip;
    if (headers != train->headers || payload > train->step || train->packets == SEGMENTS ||
        headers + train->payload + payload > train->ip->largest || !same_header(train, packet))
        return false;
    return packet[train->ip->protocol] == IPPROTO_UDP || /* of TCP: place, acknowledgement, flags, all but the checksum */
           (get32(other + 4) == train->following && memcmp(one + 8, other + 8, 4) == 0 &&
            ((one[13] ^ other[13]) & ~PSH) == 0 && memcmp(one + 14, other + 14, 2) == 0 &&
            memcmp(one + 18, other + 18, headers - ip - 18) == 0);
}

/* Write packets to the device, those of a flow in their order, in few superpackets; `bounds` are as in a Batch. */
struct refusal offload_join(int device, const uint8_t *data, const uint32_t *bounds, size_t count, bool datagrams)
{
    static struct train trains[TRAINS];
    struct refusal refused = {0, 0};
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *packet = data + bounds[i];
        size_t length = bounds[i + 1] - bounds[i];
        size_t headers = joinable(packet, length, datagrams), payload = length - headers;
        struct train *train = NULL;
        for (size_t at = 0; at < TRAINS && length >= IPV4; at++)
            if (trains[at].packets && same_flow(trains[at].first, packet, length)) {
                train = &trains[at];
                if (!(headers && continues(train, packet, headers, payload)))
                    depart(device, train, &refused);
            }
        if (!headers) {
            put_one(device, packet, length, &refused);
            continue;
        }
        if (!train)
            depart(device, train = &trains[next++ % TRAINS], &refused);
        if (!train->packets) {
            train->ip = version_of(packet), train->first = packet;
            train->headers = headers, train->step = payload, train->payload = 0;
        }
        train->parts[2 + train->packets++] = (struct iovec){(void *)(packet + headers), payload};
        train->payload += payload;
        const uint8_t *transport = packet + train->ip->header;
        train->following = get32(transport + 4) + (uint32_t)payload; /* this and the next mean nothing with UDP */
        train->pushed = packet[train->ip->protocol] == IPPROTO_TCP && transport[13] & PSH;
        if (train->pushed || payload < train->step)
            depart(device, train, &refused);
    }
    for (size_t at = 0; at < TRAINS; at++)
        depart(device, &trains[at], &refused);
    return refused;
}
