/* Fuzzes iphttps/host/device/offload.c under AddressSanitizer: reads of any content, and batches of packets of any content.
 *
 * Beyond that nothing is touched that must not be, it holds that what is cut are whole packets; and that what is joined,
 * cut again, is what was to be written: the same packets, those of each flow in the same order.
 */

#include <sys/types.h>
#include <sys/uio.h>

static ssize_t written(int device, const struct iovec *parts, int count);
#define WRITEV written
#include "../../iphttps/host/device/offload.c"
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 2 * EXPANDED, MOST = ROOM / IPV4, MTU = 1280, GREATER_MTU = 1400 /* of a link with IPv4 */ };

static uint8_t cut_out[EXPANDED], sent[ROOM];
static uint32_t begin[MOST], end[MOST];
static size_t used, count;

static void demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* Cut a read; each piece must be a whole packet. Return their size in all, or what `cut` returns. */
static long checked_cut(const struct virtio_net_hdr *hint, const uint8_t *packet, size_t length, bool ipv4, size_t *step)
{
    size_t mtu = ipv4 ? GREATER_MTU : MTU;
    long made = offload_cut(hint, packet, length, ipv4, mtu, cut_out, step);
    bool single = hint->gso_type == VIRTIO_NET_HDR_GSO_NONE;
    for (size_t at = 0, piece; made > 0 && at < (size_t)made; at += piece) {
        piece = (size_t)made - at < *step ? (size_t)made - at : *step;
        const uint8_t *whole = cut_out + at;
        demand(piece >= IPV4 && piece <= mtu, "a packet's length");
        if (ipv4 && whole[0] >> 4 == 4) {
            size_t header = (whole[0] & 0x0fu) * 4, first = get16(packet + 4);
            demand(header >= IPV4 && header <= piece && piece == get16(whole + 2), "an IPv4 packet's header");
            demand(single || fold(sum(whole, header)) == 0xffff, "an IPv4 header's checksum");
            demand(get16(whole + 4) == (uint16_t)(first + at / *step), "an Identification");
        } else {
            demand(piece >= IPV6 && whole[0] >> 4 == 6, "a packet's version");
            demand(piece == (size_t)IPV6 + get16(whole + 4), "an IPv6 packet's header");
        }
    }
    return made;
}

/* The kernel's place: takes what is written, and cuts it again. */
static ssize_t written(int device, const struct iovec *parts, int pieces)
{
    struct virtio_net_hdr hint;
    uint8_t *whole = malloc(LARGEST); /* of its own, so that one byte too many shows */
    size_t length = 0, step;
    demand(pieces >= 2 && parts[0].iov_len == sizeof hint, "the hint");
    memcpy(&hint, parts[0].iov_base, sizeof hint);
    for (int i = 1; i < pieces; i++) {
        demand(length + parts[i].iov_len <= LARGEST, "a superpacket's length");
        memcpy(whole + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    const uint8_t *from = whole;
    if (hint.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        length = (size_t)checked_cut(&hint, whole, length, true, &step);
        demand((long)length > 0, "a superpacket that cannot be cut");
        from = cut_out;
    } else {
        step = length; /* any bytes at all: what is no packet is written as it is */
    }
    for (size_t at = 0; at < length || step == 0; at += step) {
        size_t piece = length - at < step ? length - at : step;
        begin[count] = (uint32_t)used;
        memcpy(sent + used, from + at, piece);
        used += piece;
        end[count++] = (uint32_t)used;
        if (step == 0)
            break;
    }
    free(whole);
    return device ? -1 : (ssize_t)length; /* a device that refuses must change nothing else */
}

/* Where the ports of a packet are, or 0 if it has none; at least IPV4 bytes. */
static size_t ports_of(const uint8_t *packet, size_t length)
{
    size_t at = packet[0] >> 4 == 4 ? IPV4 : IPV6;
    bool bare = at == IPV6 || (packet[0] == 0x45 && !(get16(packet + 6) & OFFSET));
    return bare && length >= at + UDP ? at : 0;
}

/* Whether two packets must stay in their order: by version, protocol, addresses, and ports where both have them. */
static bool of_one_flow(const uint8_t *one, size_t its_length, const uint8_t *other, size_t other_length)
{
    if (its_length < IPV4 || other_length < IPV4)
        return false;
    const struct version *ip = version_of(one);
    uint8_t protocol = one[ip->protocol];
    if (its_length < ip->header || other_length < ip->header || one[0] >> 4 != other[0] >> 4 ||
        (one[0] >> 4 != 4 && one[0] >> 4 != 6) || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
        protocol != other[ip->protocol] || memcmp(one + ip->addresses, other + ip->addresses, ip->both_addresses))
        return false;
    size_t at = ports_of(one, its_length);
    return !at || !ports_of(other, other_length) || memcmp(one + at, other + at, 4) == 0;
}

static void check_joined(const uint8_t *data, const uint32_t *bounds, size_t packets)
{
    static bool found[MOST];
    demand(packets == count, "the number of packets");
    memset(found, 0, packets);
    for (size_t i = 0; i < packets; i++) {
        size_t length = bounds[i + 1] - bounds[i], j = 0;
        const uint8_t *packet = data + bounds[i];
        /* The first that is not found yet of the flow, or else any that is equal. */
        for (; j < count; j++) {
            if (found[j])
                continue;
            bool equal = end[j] - begin[j] == length && memcmp(sent + begin[j], packet, length) == 0;
            if (equal || of_one_flow(sent + begin[j], end[j] - begin[j], packet, length)) {
                demand(equal, "the order in a flow, or a packet");
                break;
            }
        }
        demand(j < count, "a packet is missing");
        found[j] = true;
    }
}

/* Make lengths and checksums right, as random bytes hardly ever are. */
static void mend(uint8_t *packet, size_t length)
{
    if (length < IPV4)
        return;
    const struct version *ip = version_of(packet);
    if (length < ip->header + UDP)
        return;
    uint8_t protocol = packet[ip->protocol], *transport = packet + ip->header;
    size_t rest = length - ip->header, at = protocol == IPPROTO_TCP && rest >= TCP ? 16 : 6;
    if (ip == &SIX || (packet[0] & 0x0f) * 4u <= length)
        put_length(packet, ip == &SIX ? IPV6 : (packet[0] & 0x0f) * 4u, length, 0);
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
        return;
    if (protocol == IPPROTO_UDP)
        put16(transport + 4, rest);
    memset(transport + at, 0, 2);
    put_checksum(transport + at, pseudo_header(packet, rest) + sum(transport, rest), at == 6);
}

/* Each packet is told by five bytes: a length, and how it differs from the one before. */
static void fuzz_join(const uint8_t *bytes, size_t size)
{
    uint32_t bounds[258] = {0};
    uint8_t *data = calloc(1, 258 * 300), flow[IPV6 + LONGEST_TCP] = {bytes[0] & 8 ? 0x45 : 0x60};
    const struct version *ip = version_of(flow);
    size_t packets = 0, tcp = ip->header;
    bool datagrams = bytes[0] & 1;
    flow[ip->protocol] = bytes[0] & 2 ? IPPROTO_UDP : IPPROTO_TCP;
    flow[tcp + 12] = 0x50 | (bytes[0] & 4 ? 0x30 : 0), flow[tcp + 13] = ACK;
    if (ip == &FOUR)
        put16(flow + 4, bytes[0] & 16 ? 0xfffe : 1), put16(flow + 6, bytes[0] & 32 ? 0 : DF);
    for (bytes++, size--; size >= 5 && packets < 256; bytes += 5, size -= 5) {
        uint8_t *packet = data + bounds[packets];
        size_t length = (bytes[0] & 0xc0) == 0xc0 ? bytes[0] & 0x3f : 140u + (bytes[0] & 0xc0 ? 0u : bytes[0]);
        if (bytes[3] & 1) /* another field, for good */
            flow[bytes[1] % sizeof flow] ^= bytes[2];
        size_t copied = length < sizeof flow ? length : sizeof flow;
        memcpy(packet, flow, copied);
        if (bytes[3] & 2 && length)
            packet[bytes[1] % length] ^= bytes[2]; /* or for once */
        if (!(bytes[3] & 4))
            mend(packet, length);
        if (flow[ip->protocol] == IPPROTO_TCP && length > tcp + TCP && !(bytes[3] & 8))
            put32(flow + tcp + 4, get32(flow + tcp + 4) + (uint32_t)(length - tcp - (flow[tcp + 12] >> 4) * 4u));
        if (ip == &FOUR && !(bytes[3] & 16))
            put16(flow + 4, get16(flow + 4) + 1u);
        bounds[packets + 1] = bounds[packets] + (uint32_t)length;
        packets++;
    }
    uint8_t *exact = malloc(bounds[packets] + 1u);
    memcpy(exact, data, bounds[packets]);
    for (int device = 0; device < 2; device++) {
        used = count = 0;
        struct refusal refused = offload_join(device, exact, bounds, packets, datagrams);
        check_joined(exact, bounds, packets);
        demand(refused.packets == (device ? packets : 0) && refused.bytes == (device ? bounds[packets] : 0), "refusals");
    }
    free(exact);
    free(data);
}

static void fuzz_cut(const uint8_t *bytes, size_t size)
{
    struct virtio_net_hdr hint;
    size_t step;
    if (size < sizeof hint)
        return;
    memcpy(&hint, bytes, sizeof hint);
    for (int ipv4 = 0; ipv4 < 2; ipv4++)
        checked_cut(&hint, bytes + sizeof hint, size - sizeof hint, ipv4, &step);
    /* And once more as something that is nearly right. Its length is told by a field that `cut` does not look at:
     * libFuzzer's inputs stay short, and would never be longer than a segment may be. */
    bool four = hint.gso_type & 2;
    size_t given = size - sizeof hint, ip = IPV6, length = IPV6 + hint.hdr_len;
    if (given < IPV6)
        return;
    if (four && length > 65535)
        length = 65535;
    uint8_t *packet = calloc(1, length);
    memcpy(packet, bytes + sizeof hint, given < length ? given : length);
    if (four)
        packet[0] = (uint8_t)(0x40 | (packet[0] % 11 + 5)), ip = (packet[0] & 0x0fu) * 4;
    else
        packet[0] = 0x60;
    if (length >= ip)
        put_length(packet, ip, length, 0);
    hint.flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
    hint.gso_type = !(hint.gso_type & 1) ? GSO_UDP_L4 : four ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
    hint.gso_size %= 2 * MTU; /* so that it is often about the longest */
    hint.csum_start = (uint16_t)ip + hint.csum_start % 64, hint.csum_offset = hint.gso_type == GSO_UDP_L4 ? 6 : 16;
    checked_cut(&hint, packet, length, four, &step);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    (bytes[0] & 1 ? fuzz_join : fuzz_cut)(bytes + 1, size - 1);
    return 0;
}
