/* What Python sees of the loops over packets (loop.c): the module _loop. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "loop.h"

/* The bounds of a batch, as C reads them: those that came from here as they are, any other sequence as a copy. */
struct bounds {
    const uint32_t *at;
    size_t packets;
    Py_buffer view;
    uint32_t *copy;
};

static void release(struct bounds *bounds)
{
    PyMem_Free(bounds->copy);
    PyBuffer_Release(&bounds->view);
}

static bool copy_bounds(PyObject *given, struct bounds *bounds, Py_ssize_t *count)
{
    PyObject *sequence = PySequence_Fast(given, "bounds are a sequence");
    if (!sequence)
        return false;
    *count = PySequence_Fast_GET_SIZE(sequence);
    bounds->copy = PyMem_New(uint32_t, (size_t)*count + 1);
    for (Py_ssize_t i = 0; bounds->copy && i < *count; i++) {
        unsigned long each = PyLong_AsUnsignedLong(PySequence_Fast_GET_ITEM(sequence, i));
        bounds->copy[i] = each > UINT32_MAX ? UINT32_MAX : (uint32_t)each;
    }
    Py_DECREF(sequence);
    if (!bounds->copy)
        PyErr_NoMemory();
    bounds->at = bounds->copy;
    return !PyErr_Occurred();
}

/* Take the bounds of packets in `size` bytes; raises ValueError if they lie beyond these, or run backwards. */
static bool take_bounds(PyObject *given, Py_ssize_t size, struct bounds *bounds)
{
    Py_ssize_t count;
    *bounds = (struct bounds){0};
    if (PyMemoryView_Check(given) && PyMemoryView_GET_BUFFER(given)->itemsize == sizeof *bounds->at) {
        if (PyObject_GetBuffer(given, &bounds->view, PyBUF_CONTIG_RO) < 0)
            return false;
        bounds->at = bounds->view.buf;
        count = bounds->view.len / bounds->view.itemsize;
    } else if (!copy_bounds(given, bounds, &count)) {
        release(bounds);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (bounds->at[i] > size || (i && bounds->at[i] < bounds->at[i - 1])) {
            release(bounds);
            PyErr_SetString(PyExc_ValueError, "bounds lie beyond the data, or run backwards");
            return false;
        }
    bounds->packets = count ? (size_t)count - 1 : 0;
    return true;
}

/* Return a memoryview of 32-bit numbers over bytes that hold them, which it takes. */
static PyObject *as_bounds(PyObject *bytes)
{
    PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : NULL;
    PyObject *cast = view ? PyObject_CallMethod(view, "cast", "s", "I") : NULL;
    Py_XDECREF(view);
    Py_XDECREF(bytes);
    return cast;
}

static bool too_long(Py_ssize_t size)
{
    if (size > UINT32_MAX)
        PyErr_SetString(PyExc_ValueError, "bounds have 32 bits");
    return size > UINT32_MAX;
}

static PyObject *scan(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "y#", &data, &size) || too_long(size))
        return NULL;
    size_t room = (size_t)size / LOOP_IPV6 + 1;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(room * sizeof(uint32_t)));
    if (!bytes)
        return NULL;
    size_t count = loop_scan(data, (size_t)size, (uint32_t *)(void *)PyBytes_AS_STRING(bytes), room);
    if (count < room && _PyBytes_Resize(&bytes, (Py_ssize_t)(count * sizeof(uint32_t))) < 0)
        return NULL;
    return as_bounds(bytes);
}

static int in_set(void *set, const uint8_t *header, size_t length)
{
    PyObject *key = PyBytes_FromStringAndSize((const char *)header, (Py_ssize_t)length);
    int found = key ? PySet_Contains(set, key) : -1;
    Py_XDECREF(key);
    return found;
}

static PyObject *proven(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    Py_ssize_t size;
    PyObject *given, *set;
    struct bounds bounds;
    if (!PyArg_ParseTuple(arguments, "y#OO", &data, &size, &given, &set) || !take_bounds(given, size, &bounds))
        return NULL;
    int found = loop_proven(data, bounds.at, bounds.packets, in_set, set);
    release(&bounds);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

static PyObject *decode(PyObject *module, PyObject *arguments)
{
    const uint8_t *data, *frame;
    Py_ssize_t size, length, offset;
    if (!PyArg_ParseTuple(arguments, "y#ny#", &data, &size, &offset, &frame, &length))
        return NULL;
    if (too_long(size))
        return NULL;
    if (offset < 0 || offset > size)
        return PyErr_Format(PyExc_ValueError, "the offset lies beyond the data");
    struct run run = loop_measure(data + offset, (size_t)(size - offset), frame, (size_t)length);
    PyObject *payload = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)run.payload);
    PyObject *bounds = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((run.packets + 1) * sizeof(uint32_t)));
    if (payload && bounds)
        loop_strip(data + offset, run.packets, LOOP_SSTP + (size_t)length, (uint8_t *)PyBytes_AS_STRING(payload),
                   (uint32_t *)(void *)PyBytes_AS_STRING(bounds));
    bounds = as_bounds(bounds);
    if (payload && bounds)
        return Py_BuildValue("(NNn)", payload, bounds, offset + (Py_ssize_t)run.size);
    Py_XDECREF(payload);
    Py_XDECREF(bounds);
    return NULL;
}

static PyObject *encode(PyObject *module, PyObject *arguments)
{
    const uint8_t *data, *frames[2];
    Py_ssize_t size, length, other;
    PyObject *given, *stream = NULL;
    struct bounds bounds;
    if (!PyArg_ParseTuple(arguments, "y#Oy#y#", &data, &size, &given, &frames[0], &length, &frames[1], &other) ||
        !take_bounds(given, size, &bounds))
        return NULL;
    size_t headers = LOOP_SSTP + (size_t)length, total = 0;
    for (size_t i = 0; i < bounds.packets; i++) {
        size_t inside = bounds.at[i + 1] - bounds.at[i];
        if (length != other || inside == 0 || headers + inside > LOOP_LONGEST) {
            PyErr_SetString(PyExc_IndexError, "no packet of this length can be encoded");
            release(&bounds);
            return NULL;
        }
        total += headers + inside;
    }
    if ((stream = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total)))
        loop_encode(data, bounds.at, bounds.packets, frames, (size_t)length, (uint8_t *)PyBytes_AS_STRING(stream));
    release(&bounds);
    return stream;
}

enum { NOBODY = UINT32_MAX };

/* Return what a receiver gets as a tuple: the receiver, the packets with this number in `of`, and their bounds. */
static PyObject *as_flow(const uint8_t *data, const uint32_t *bounds, const struct flow *flow, const uint32_t *of,
                         uint32_t number, PyObject *receiver)
{
    PyObject *payload = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)flow->size);
    PyObject *numbers = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((flow->packets + 1) * sizeof *bounds));
    if (payload && numbers) {
        uint8_t *to = (uint8_t *)PyBytes_AS_STRING(payload);
        uint32_t *ends = (uint32_t *)(void *)PyBytes_AS_STRING(numbers), total = ends[0] = 0;
        for (size_t at = flow->first, found = 0; found < flow->packets; at++)
            if (of[at] == number) {
                uint32_t size = bounds[at + 1] - bounds[at];
                memcpy(to + total, data + bounds[at], size);
                ends[++found] = total += size;
            }
    }
    numbers = as_bounds(numbers);
    if (payload && numbers)
        return Py_BuildValue("(ONN)", receiver, payload, numbers);
    Py_XDECREF(payload);
    Py_XDECREF(numbers);
    return NULL;
}

/* Ask for the receiver of each flow, and merge the flows that have the same; return how many are left, -1 on errors. In
 * `becomes` is then the number that each flow has got, or NOBODY; in `receivers` the receivers, by number. */
static Py_ssize_t merge(struct flow *flows, size_t count, PyObject *receiver, uint32_t *becomes, PyObject *receivers)
{
    PyObject *numbers = PyDict_New();
    for (size_t i = 0; numbers && i < count; i++) {
        Py_ssize_t next = PyList_GET_SIZE(receivers);
        PyObject *got = PyObject_CallFunction(receiver, "y#", flows[i].addresses, (Py_ssize_t)flows[i].length);
        PyObject *fresh = got && got != Py_None ? PyLong_FromSsize_t(next) : NULL;
        PyObject *number = fresh ? PyDict_SetDefault(numbers, got, fresh) : NULL;
        becomes[i] = number ? (uint32_t)PyLong_AsUnsignedLong(number) : NOBODY;
        if (number == fresh && fresh && PyList_Append(receivers, got) == 0)
            flows[next] = flows[i];
        else if (number)
            flows[becomes[i]].packets += flows[i].packets, flows[becomes[i]].size += flows[i].size;
        Py_XDECREF(fresh);
        Py_XDECREF(got);
        if (PyErr_Occurred())
            Py_CLEAR(numbers);
    }
    Py_XDECREF(numbers);
    return numbers ? PyList_GET_SIZE(receivers) : -1;
}

static PyObject *sort(PyObject *module, PyObject *arguments)
{
    PyObject *whole, *given, *receiver;
    struct bounds bounds;
    int sources;
    if (!PyArg_ParseTuple(arguments, "SOpO", &whole, &given, &sources, &receiver) ||
        !take_bounds(given, PyBytes_GET_SIZE(whole), &bounds))
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(whole);
    size_t packets = bounds.packets, room = 1;
    while (room <= packets)
        room *= 2;
    PyObject *found = PyList_New(0), *rest = PyList_New(0), *receivers = PyList_New(0);
    struct flow *flows = PyMem_New(struct flow, packets + 1);
    uint32_t *of = PyMem_New(uint32_t, 2 * packets + 1), *slots = PyMem_Calloc(room, sizeof *slots), *becomes = of + packets;
    Py_ssize_t count = -1;
    if (found && rest && receivers && flows && of && slots)
        count = merge(flows, loop_sort(data, bounds.at, packets, sources, flows, of, slots, room), receiver, becomes, receivers);
    else
        PyErr_NoMemory();
    bool failed = count < 0;
    for (size_t i = 0; !failed && i < packets; i++)
        if ((of[i] = becomes[of[i]]) == NOBODY) {
            PyObject *packet = PyBytes_FromStringAndSize((const char *)data + bounds.at[i], bounds.at[i + 1] - bounds.at[i]);
            failed = !packet || PyList_Append(rest, packet) < 0;
            Py_XDECREF(packet);
        }
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        PyObject *to = PyList_GET_ITEM(receivers, i);
        PyObject *flow = flows[i].size == (size_t)PyBytes_GET_SIZE(whole)
                             ? PyTuple_Pack(3, to, whole, given)
                             : as_flow(data, bounds.at, &flows[i], of, (uint32_t)i, to);
        failed = !flow || PyList_Append(found, flow) < 0;
        Py_XDECREF(flow);
    }
    PyMem_Free(flows);
    PyMem_Free(of);
    PyMem_Free(slots);
    release(&bounds);
    Py_XDECREF(receivers);
    if (!failed)
        return Py_BuildValue("(NN)", found, rest);
    Py_XDECREF(found);
    Py_XDECREF(rest);
    return NULL;
}

/* The pointers are numbers: OpenSSL is not linked to, it is the one that Python's libraries carry. Its callbacks may run
 * Python, and a read takes less than a switch of threads pays for, so the interpreter's lock is held. */
static PyObject *decrypt(PyObject *module, PyObject *arguments)
{
    unsigned long long read, ssl;
    Py_ssize_t room;
    if (!PyArg_ParseTuple(arguments, "KKn", &read, &ssl, &room))
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, room);
    if (!bytes)
        return NULL;
    size_t records, used = loop_decrypt((loop_read *)(uintptr_t)read, (void *)(uintptr_t)ssl,
                                        (uint8_t *)PyBytes_AS_STRING(bytes), (size_t)room, &records);
    if (_PyBytes_Resize(&bytes, (Py_ssize_t)used) < 0)
        return NULL;
    return Py_BuildValue("(Nn)", bytes, (Py_ssize_t)records);
}

static PyMethodDef methods[] = {{"scan", scan, METH_VARARGS, NULL},     {"proven", proven, METH_VARARGS, NULL},
                                {"decode", decode, METH_VARARGS, NULL}, {"encode", encode, METH_VARARGS, NULL},
                                {"decrypt", decrypt, METH_VARARGS, NULL},
                                {"sort", sort, METH_VARARGS, NULL},       {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_loop", .m_size = 0, .m_methods = methods};
PyMODINIT_FUNC PyInit__loop(void) { return PyModule_Create(&definition); }
