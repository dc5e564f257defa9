/* The kernel's segmentation offload on a TUN device: splits the data of one read into packets, and joins consecutive
 * packets for one write.
 *
 * With a virtio-net header before each packet (linux/virtio_net.h) the kernel exchanges up to 64 kB of one TCP or UDP
 * flow at once: a superpacket, which costs hardly more than one packet. The rest of the program handles packets only;
 * both ends see the same bytes as without offload.
 *
 * The first half does not use Python, so that it can be fuzzed by itself (tests/fuzz).
 */

#ifndef WITHOUT_PYTHON
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define WRITEV writev
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    IPV6 = 40, TCP = 20, UDP = 8, LONGEST_TCP = 60, /* bytes of headers */
    LONGEST = 1280, LARGEST = IPV6 + 65535, /* maximum bytes of a packet, the link's MTU (3.2.3.1); of a superpacket */
    TURN = 256 * 1024,      /* bytes after which a reactor turn stops reading */
    EXPANDED = 256 * 1024,  /* maximum bytes of a split superpacket: 36 bytes a segment, Linux's minimum */
    SEGMENTS = 64,          /* maximum packets joined: the limit of older kernels for UDP, and 64 kB of full packets */
    TRAINS = 8,             /* maximum flows that are being joined at the same time */
    FIN = 0x01, PSH = 0x08, ACK = 0x10, ECE = 0x40, CWR = 0x80,
    NOT_IPV6 = -1, WRONG_LENGTH = -2, OVERSIZE = -3, GSO_UDP_L4 = 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, which older headers lack */
};

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

/* The pseudo-header (RFC 8200 section 8.1) of a packet without extension headers. */
static uint64_t pseudo_header(const uint8_t *packet, size_t length)
{
    return sum(packet + 8, 32) + htons(packet[6]) + htons((uint16_t)length);
}

static void put_checksum(uint8_t *field, uint64_t total, bool udp)
{
    uint16_t value = (uint16_t)~fold(total);
    if (udp && value == 0)
        value = 0xffff; /* RFC 768: zero means no checksum */
    memcpy(field, &value, sizeof value);
}

/* Split the data of one read into packets, laid end to end in `out`, which has room for EXPANDED bytes and at least
 * LARGEST. Return their total size, and in `step` the length of each packet but the last, which may be shorter; or a
 * negative reason to drop the data. A local program can write any data to a device. */
static long cut(const struct virtio_net_hdr *hint, const uint8_t *packet, size_t length, uint8_t *out, size_t *step)
{
    if (length < IPV6 || packet[0] >> 4 != 6)
        return NOT_IPV6;
    size_t start = hint->csum_start, field = start + hint->csum_offset, size = hint->gso_size;
    bool unfinished = hint->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, udp = hint->csum_offset == 6;
    int kind = hint->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    if (length != (size_t)IPV6 + get16(packet + 4) || (unfinished && (start < IPV6 || field + 2 > length)))
        return WRONG_LENGTH;
    if (kind == VIRTIO_NET_HDR_GSO_NONE && length > LONGEST)
        return OVERSIZE; /* another program has raised the interface's MTU */
    if (kind == VIRTIO_NET_HDR_GSO_NONE) {
        memcpy(out, packet, length);
        if (unfinished) /* the checksum field holds the pseudo-header's sum */
            put_checksum(out + field, sum(out + start, length - start), udp);
        *step = length;
        return (long)length;
    }
    bool tcp = kind == VIRTIO_NET_HDR_GSO_TCPV6 && hint->csum_offset == 16;
    udp = kind == GSO_UDP_L4 && udp;
    if (!unfinished || !(tcp || udp) || size == 0 || start + (tcp ? TCP : UDP) > length)
        return WRONG_LENGTH;
    size_t headers = start + (tcp ? (size_t)(packet[start + 12] >> 4) * 4 : UDP), payload = length - headers;
    if (headers < start + (tcp ? TCP : UDP) || headers >= length)
        return WRONG_LENGTH;
    if (headers + size > LONGEST)
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
        put16(to + 4, headers - IPV6 + part);
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
    size_t packets, headers, step, payload; /* all but `packets` in bytes */
    uint32_t following;                     /* the next sequence number */
    bool pushed;
    const uint8_t *first;
    struct iovec parts[2 + SEGMENTS];       /* the hint, the headers, and each packet's payload */
};

struct refusal { size_t packets, bytes; };

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
        bool tcp = train->first[6] == IPPROTO_TCP;
        uint8_t headers[IPV6 + LONGEST_TCP];
        size_t transport = train->headers - IPV6 + train->payload;
        memcpy(headers, train->first, train->headers);
        put16(headers + 4, transport);
        if (!tcp)
            put16(headers + IPV6 + 4, transport);
        else if (train->pushed)
            headers[IPV6 + 13] |= PSH;
        uint16_t begun = fold(pseudo_header(headers, transport));
        memcpy(headers + IPV6 + (tcp ? 16 : 6), &begun, sizeof begun);
        struct virtio_net_hdr hint = {
            .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
            .gso_type = tcp ? VIRTIO_NET_HDR_GSO_TCPV6 : GSO_UDP_L4,
            .hdr_len = (uint16_t)train->headers,
            .gso_size = (uint16_t)train->step,
            .csum_start = IPV6,
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

/* Return the length of the headers of a packet that can be part of a train; 0 if it cannot. Verify its checksum here:
 * the kernel does not verify it in a superpacket. */
static size_t joinable(const uint8_t *packet, size_t length, bool datagrams)
{
    const uint8_t *transport = packet + IPV6;
    size_t rest = length - IPV6, headers = 0;
    if (length < IPV6 + UDP || packet[0] >> 4 != 6 || get16(packet + 4) != rest)
        return 0;
    if (packet[6] == IPPROTO_TCP && rest >= TCP && !(transport[12] & 0x0f) && transport[12] >= TCP << 2 &&
        (transport[13] & ~(PSH | ECE)) == ACK)
        headers = IPV6 + (size_t)(transport[12] >> 2);
    else if (packet[6] == IPPROTO_UDP && datagrams && get16(transport + 6) != 0 && get16(transport + 4) == rest)
        headers = IPV6 + UDP;
    bool good = headers && headers < length && fold(pseudo_header(packet, rest) + sum(transport, rest)) == 0xffff;
    return good ? headers : 0;
}

static bool same_flow(const uint8_t *one, const uint8_t *other)
{
    return one[6] == other[6] && memcmp(one + 8, other + 8, IPV6 - 8 + 4) == 0; /* addresses and ports */
}

static bool continues(const struct train *train, const uint8_t *packet, size_t headers, size_t payload)
{
    const uint8_t *first = train->first, *one = first + IPV6, *other = packet + IPV6;
    if (headers != train->headers || payload > train->step || train->packets == SEGMENTS ||
        headers + train->payload + payload > LARGEST || memcmp(first, packet, 4) || first[7] != packet[7])
        return false;
    return packet[6] == IPPROTO_UDP || /* TCP: sequence number, ACK, flags, all but the checksum */
           (get32(other + 4) == train->following && memcmp(one + 8, other + 8, 4) == 0 &&
            ((one[13] ^ other[13]) & ~PSH) == 0 && memcmp(one + 14, other + 14, 2) == 0 &&
            memcmp(one + 18, other + 18, headers - IPV6 - 18) == 0);
}

/* Write packets to the device, each flow in order, joined into superpackets; `bounds` are as in a Batch. */
static struct refusal join(int device, const uint8_t *data, const uint32_t *bounds, size_t count, bool datagrams)
{
    static struct train trains[TRAINS];
    struct refusal refused = {0, 0};
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *packet = data + bounds[i];
        size_t length = bounds[i + 1] - bounds[i];
        size_t headers = joinable(packet, length, datagrams), payload = length - headers;
        struct train *train = NULL;
        for (size_t at = 0; at < TRAINS && length >= IPV6 + UDP; at++)
            if (trains[at].packets && same_flow(trains[at].first, packet))
                train = &trains[at];
        if (train && !(headers && continues(train, packet, headers, payload)))
            depart(device, train, &refused);
        if (!headers) {
            put_one(device, packet, length, &refused);
            continue;
        }
        if (!train)
            depart(device, train = &trains[next++ % TRAINS], &refused);
        if (!train->packets)
            train->first = packet, train->headers = headers, train->step = payload, train->payload = 0;
        train->parts[2 + train->packets++] = (struct iovec){(void *)(packet + headers), payload};
        train->payload += payload;
        train->following = get32(packet + IPV6 + 4) + (uint32_t)payload; /* meaningless for UDP, as is `pushed` */
        train->pushed = packet[6] == IPPROTO_TCP && packet[IPV6 + 13] & PSH;
        if (train->pushed || payload < train->step)
            depart(device, train, &refused);
    }
    for (size_t at = 0; at < TRAINS; at++)
        depart(device, &trains[at], &refused);
    return refused;
}

#ifndef WITHOUT_PYTHON
static PyObject *offload_read(PyObject *module, PyObject *arguments)
{
    static uint8_t packet[LARGEST + 1], out[TURN + EXPANDED];
    static uint32_t bounds[1 + (TURN + EXPANDED) / IPV6];
    struct virtio_net_hdr hint;
    struct iovec parts[] = {{&hint, sizeof hint}, {packet, sizeof packet}};
    size_t used = 0, count = 1, step, drops[3] = {0, 0, 0};
    int device, reads;
    if (!PyArg_ParseTuple(arguments, "ii", &device, &reads))
        return NULL;
    while (reads-- > 0 && used < TURN) {
        ssize_t got = readv(device, parts, 2);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got < 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        long made = cut(&hint, packet, (size_t)got < sizeof hint ? 0 : (size_t)got - sizeof hint, out + used, &step);
        if (made < 0)
            drops[-made - 1]++; /* NOT_IPV6 is the first */
        for (size_t end = used + (made > 0 ? (size_t)made : 0); used < end; bounds[count++] = (uint32_t)used)
            used += end - used < step ? end - used : step;
    }
    return Py_BuildValue("(y#y#nnn)", out, (Py_ssize_t)used, bounds, (Py_ssize_t)(count * sizeof *bounds),
                         (Py_ssize_t)drops[0], (Py_ssize_t)drops[1], (Py_ssize_t)drops[2]);
}

static PyObject *offload_write(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    const uint32_t *bounds;
    Py_ssize_t size, room;
    int device, datagrams;
    if (!PyArg_ParseTuple(arguments, "iy#y#p", &device, &data, &size, &bounds, &room, &datagrams))
        return NULL;
    size_t count = (size_t)room / sizeof *bounds;
    for (size_t i = 0; i < count; i++)
        if (bounds[i] > size || (i && bounds[i] < bounds[i - 1]))
            return PyErr_Format(PyExc_ValueError, "bounds exceed the data, or decrease");
    struct refusal refused = join(device, data, bounds, count ? count - 1 : 0, datagrams);
    return Py_BuildValue("(nn)", (Py_ssize_t)refused.packets, (Py_ssize_t)refused.bytes);
}
static PyMethodDef methods[] = {
    {"read", offload_read, METH_VARARGS, NULL}, {"write", offload_write, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_offload", .m_size = 0, .m_methods = methods};
PyMODINIT_FUNC PyInit__offload(void) { return PyModule_Create(&definition); }
#endif
