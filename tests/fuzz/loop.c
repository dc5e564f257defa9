/* Fuzzes iphttps/net/stream/loop.c under AddressSanitizer: streams and batches of any content.
 *
 * Beyond that nothing is touched that must not be, it holds that a run of data packets, encoded again, is what was read;
 * that a scan ends where no whole packet is; that a batch is proven if each of its headers is; that flows have all packets,
 * in order; and that records lie end to end.
 */

#include "../../iphttps/net/stream/loop.c"
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 4096 / LOOP_IPV4 + 2 };

static const uint8_t FRAMES[][4] = {{0xff, 3, 0, 0x21}, {0xff, 3, 0x21}, {0, 0x21}, {0x21}, {0x35}};
static const size_t LENGTHS[] = {4, 3, 2, 1, 0};

static void demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* Return a copy of its own, so that one byte too many shows. */
static uint8_t *exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    return copy;
}

static void fuzz_scan(const uint8_t *data, size_t size)
{
    size_t room = size / LOOP_IPV6 + 1;
    uint32_t *bounds = malloc(room * sizeof *bounds);
    size_t count = loop_scan(data, size, bounds, room);
    demand(count >= 1 && count <= room && bounds[0] == 0, "the number of bounds");
    for (size_t i = 1; i < count; i++) {
        const uint8_t *packet = data + bounds[i - 1];
        demand(packet[0] >> 4 == 6 && bounds[i] - bounds[i - 1] == LOOP_IPV6 + get16(packet + 4), "a packet");
    }
    size_t end = bounds[count - 1], rest = size - end;
    demand(end <= size, "the end");
    demand(rest < LOOP_IPV6 || data[end] >> 4 != 6 || LOOP_IPV6 + get16(data + end + 4) > rest, "a packet is left");
    free(bounds);
}

static void fuzz_decode(const uint8_t *data, size_t size, size_t form)
{
    uint8_t *frame = exact(FRAMES[form], LENGTHS[form]);
    struct run run = loop_measure(data, size, frame, LENGTHS[form]);
    size_t header = LOOP_SSTP + LENGTHS[form];
    demand(run.size <= size && run.size == run.payload + run.packets * header, "a run's size");
    uint8_t *payload = malloc(run.payload + 1), *again = malloc(run.size + 1);
    uint32_t *bounds = malloc((run.packets + 1) * sizeof *bounds);
    loop_strip(data, run.packets, header, payload, bounds);
    demand(bounds[0] == 0 && bounds[run.packets] == run.payload, "the bounds of a run");
    for (size_t i = 0; i < run.packets; i++) {
        const uint8_t *packet = payload + bounds[i];
        size_t length = bounds[i + 1] - bounds[i];
        demand(packet[0] == 0x45 ? length == get16(packet + 2) && length >= LOOP_IPV4
                                 : packet[0] >> 4 == 6 && length == LOOP_IPV6 + get16(packet + 4), "a packet of a run");
    }
    uint8_t other[LOOP_FRAME];
    memcpy(other, frame, LENGTHS[form]);
    if (LENGTHS[form])
        other[LENGTHS[form] - 1] = NUMBER_IPV6;
    const uint8_t *frames[2] = {frame, other};
    loop_encode(payload, bounds, run.packets, frames, LENGTHS[form], again);
    demand(memcmp(again, data, run.size) == 0, "a run that is encoded again");
    free(frame), free(payload), free(again), free(bounds);
}

/* A header is known if its bytes add up to an even number; a lookup in three thousand fails. */
static int known(void *context, const uint8_t *header, size_t length)
{
    unsigned total = 0;
    demand(length == 8 || length == 34, "the length of a header");
    for (size_t i = 0; i < length; i++)
        total += header[i];
    if (context && total % 3000 == 1)
        return -1;
    return total % 2 == 0;
}

static void fuzz_proven(const uint8_t *data, size_t size, size_t step)
{
    uint32_t bounds[MOST] = {0};
    size_t packets = 0;
    for (size_t at = 0; at < size && packets < MOST - 1; at += step)
        bounds[++packets] = (uint32_t)(size - at < step ? size : at + step);
    bool all = true;
    for (size_t i = 0; i < packets && all; i++) {
        const uint8_t *packet = data + bounds[i];
        size_t length = bounds[i + 1] - bounds[i];
        bool four = packet[0] < 0x60;
        all = length >= (four ? 20u : 40u) && !(four && packet[9] == 1) &&
              known(NULL, packet + (four ? 12 : 6), four ? 8 : 34);
    }
    demand(loop_proven(data, bounds, packets, known, NULL) == all, "whether all are proven");
    int found = loop_proven(data, bounds, packets, known, &all);
    demand(found == -1 || found == all, "a lookup that fails");
}

/* Whether two packets have the same addresses; those of packets that are too short are what is left of them. */
static bool alike(const uint8_t *one, size_t its_size, const uint8_t *other, size_t other_size, bool sources)
{
    size_t its_length, other_length;
    const uint8_t *its = addresses(one, its_size, sources, &its_length);
    const uint8_t *others = addresses(other, other_size, sources, &other_length);
    return its_length == other_length && memcmp(its, others, its_length) == 0;
}

static void fuzz_sort(const uint8_t *data, size_t size, size_t step, bool sources)
{
    static struct flow flows[MOST];
    uint32_t bounds[MOST] = {0}, of[MOST], slots[MOST * 2] = {0};
    size_t packets = 0, room = 1, counted[MOST] = {0}, bytes[MOST] = {0};
    for (size_t at = 0; at < size && packets < MOST - 1; at += step)
        bounds[++packets] = (uint32_t)(size - at < step ? size : at + step);
    while (room <= packets)
        room *= 2;
    size_t count = loop_sort(data, bounds, packets, sources, flows, of, slots, room), seen = 0;
    for (size_t i = 0; i < packets; i++) {
        const struct flow *flow = &flows[of[i]];
        size_t length = bounds[i + 1] - bounds[i];
        demand(of[i] <= seen && of[i] < count, "the order of flows");
        seen += of[i] == seen;
        demand(flow->first <= i, "the first of a flow");
        demand(alike(data + bounds[flow->first], bounds[flow->first + 1] - bounds[flow->first], data + bounds[i], length, sources), "the addresses of a flow");
        counted[of[i]]++, bytes[of[i]] += length;
    }
    demand(seen == count, "the number of flows");
    for (size_t i = 0; i < count; i++) {
        demand(flows[i].packets == counted[i] && flows[i].size == bytes[i], "the size of a flow");
        for (size_t j = 0; j < i && count <= PROBES; j++)
            demand(!alike(data + bounds[flows[i].first], bounds[flows[i].first + 1] - bounds[flows[i].first],
                          data + bounds[flows[j].first], bounds[flows[j].first + 1] - bounds[flows[j].first], sources),
                   "a flow in two parts");
    }
}

/* An SSL_read that returns what the input says: lengths, and an end. */
static const uint8_t *script, *script_end;

static int scripted(void *ssl, void *buffer, int size)
{
    demand(ssl == &script && size > 0, "the arguments of SSL_read");
    if (script == script_end)
        return -1;
    int wanted = (int)*script++ * 97 - 97;
    if (wanted > 0)
        memset(buffer, 0x55, (size_t)(wanted = wanted < size ? wanted : size));
    return wanted;
}

static void fuzz_decrypt(const uint8_t *data, size_t size, size_t room)
{
    uint8_t *out = malloc(room + 1);
    size_t records, used;
    script = data, script_end = data + size;
    used = loop_decrypt(scripted, &script, out, room, &records);
    demand(used <= room && records <= (size_t)(script - data), "what was decrypted");
    demand(used == room || script == script_end || script[-1] <= 1, "records are left");
    for (size_t i = 0; i < used; i++)
        demand(out[i] == 0x55, "a gap between records");
    free(out);
}

/* Give each packet, of `step` bytes, what makes it nearly right: random bytes hardly ever are. */
static void mend(uint8_t *data, size_t size, size_t step, size_t header, const uint8_t *frame)
{
    for (size_t at = 0; at + header + LOOP_IPV6 <= size; at += step) { /* the last may be incomplete */
        uint8_t *packet = data + at, *inner = packet + header;
        if (packet[0] % 16 == 1 || step < header + LOOP_IPV6)
            continue; /* this one stays as it is */
        bool six = packet[0] & 2;
        if (header) {
            packet[0] = VERSION, packet[1] &= packet[1] > 0xf0 ? 3 : 0, packet[2] = (uint8_t)(step >> 8), packet[3] = (uint8_t)step;
            memcpy(packet + LOOP_SSTP, frame, header - LOOP_SSTP);
            if (six)
                inner[-1] = NUMBER_IPV6;
        }
        size_t length = step - header - (six ? LOOP_IPV6 : 0);
        inner[0] = (six ? 0x60 : USUAL) ^ (inner[1] > 0xf0 ? inner[1] << 4 : 0);
        inner[six ? 4 : 2] = (uint8_t)(length >> 8), inner[six ? 5 : 3] = (uint8_t)length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 4)
        return 0;
    size_t kind = bytes[0] % 5, form = bytes[1] % 5, step = 20u + bytes[2];
    uint8_t *data = exact(bytes + 3, size - 3);
    if (bytes[0] & 0x80)
        mend(data, size - 3, step, kind == 1 ? LOOP_SSTP + LENGTHS[form] : 0, FRAMES[form]);
    if (kind == 0)
        fuzz_scan(data, size - 3);
    else if (kind == 1)
        fuzz_decode(data, size - 3, form);
    else if (kind == 2)
        fuzz_proven(data, size - 3, step);
    else if (kind == 3)
        fuzz_sort(data, size - 3, step, bytes[1] & 1);
    else
        fuzz_decrypt(data, size - 3, (size_t)bytes[1] * bytes[2]);
    free(data);
    return 0;
}
