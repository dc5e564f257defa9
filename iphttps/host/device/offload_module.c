/* What Python sees of the segmentation offload (offload.c): the module _offload. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "offload.h"

#include <errno.h>
#include <sys/uio.h>

enum { TURN = 256 * 1024 }; /* bytes after which a turn reads no more */

static PyObject *offload_read(PyObject *module, PyObject *arguments)
{
    static uint8_t packet[LARGEST + 1], out[TURN + EXPANDED];
    static uint32_t bounds[1 + (TURN + EXPANDED) / IPV4];
    struct virtio_net_hdr hint;
    struct iovec parts[] = {{&hint, sizeof hint}, {packet, sizeof packet}};
    size_t used = 0, count = 1, step, drops[3] = {0, 0, 0};
    int device, reads, ipv4, mtu;
    if (!PyArg_ParseTuple(arguments, "iipi", &device, &reads, &ipv4, &mtu))
        return NULL;
    while (reads-- > 0 && used < TURN) {
        ssize_t got = readv(device, parts, 2);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got < 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        size_t length = (size_t)got < sizeof hint ? 0 : (size_t)got - sizeof hint;
        long made = offload_cut(&hint, packet, length, ipv4, (size_t)mtu, out + used, &step);
        if (made < 0)
            drops[-made - 1]++; /* NOT_CARRIED is the first */
        for (size_t end = used + (made > 0 ? (size_t)made : 0); used < end; bounds[count++] = (uint32_t)used)
            used += end - used < step ? end - used : step;
    }
    return Py_BuildValue("(y#y#nnn)", out, (Py_ssize_t)used, bounds, (Py_ssize_t)(count * sizeof *bounds),
                         (Py_ssize_t)drops[0], (Py_ssize_t)drops[1], (Py_ssize_t)drops[2]);
}

static PyObject *offload_write(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    Py_buffer view;
    Py_ssize_t size;
    int device, datagrams;
    if (!PyArg_ParseTuple(arguments, "iy#y*p", &device, &data, &size, &view, &datagrams))
        return NULL;
    const uint32_t *bounds = view.buf;
    size_t count = (size_t)view.len / sizeof *bounds;
    for (size_t i = 0; i < count; i++)
        if (bounds[i] > size || (i && bounds[i] < bounds[i - 1])) {
            PyBuffer_Release(&view);
            return PyErr_Format(PyExc_ValueError, "bounds lie beyond the data, or run backwards");
        }
    struct refusal refused = offload_join(device, data, bounds, count ? count - 1 : 0, datagrams);
    PyBuffer_Release(&view);
    return Py_BuildValue("(nn)", (Py_ssize_t)refused.packets, (Py_ssize_t)refused.bytes);
}
static PyMethodDef methods[] = {
    {"read", offload_read, METH_VARARGS, NULL}, {"write", offload_write, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_offload", .m_size = 0, .m_methods = methods};
PyMODINIT_FUNC PyInit__offload(void) { return PyModule_Create(&definition); }
