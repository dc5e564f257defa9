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
                                {"decrypt", decrypt, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_loop", .m_size = 0, .m_methods = methods};
PyMODINIT_FUNC PyInit__loop(void) { return PyModule_Create(&definition); }
