// A step of a stream that is ready, for Python: the checks and the call of `Stream.step` in elman/nn/streaming.py,
// which goes on where this returns None, and does without where this was not built or torch is too old for it. It
// saves a third of a small step.
//
// It knows CPython's stable ABI only, so that one library serves all versions from 3.11 on.
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <cstdint>

namespace {

// What DLPack (https://dmlc.github.io/dlpack) tells of a tensor, and torch's table of functions that tell it.
struct View {
    char* data;
    int32_t device, device_number, dimensions;
    uint8_t kind, bits;
    uint16_t lanes;
    const int64_t *shape, *strides;
    uint64_t offset;  // in bytes
};
struct Exchange {
    enum { VERSION = 1, CPU = 1 };
    uint32_t version, subversion;
    const void* older;
    void *make, *take, *give;
    int (*view)(PyObject* tensor, View* view);  // 0, or an error is set; the view is good while the tensor is
};

const Exchange* exchange;
PyTypeObject* TENSOR;
PyObject* VERSION;  // a tensor's attribute, and what reads it: to look it up by its name takes longer
descrgetfunc get;

// Whether x is an ordinary tensor that can be viewed. An error that this meets is none: `Stream` will see.
bool can_view(PyObject* x, View& view) {
    if (Py_TYPE(x) != TENSOR) return false;
    if (exchange->view(x, &view) == 0) return true;
    PyErr_Clear();
    return false;
}

// What is the same for all steps that are ready: a `bytes` object of whole numbers.
struct Known {
    int64_t kernel;   // address: int kernel(void* room, int number)
    int64_t is_long;  // whether other threads of Python's should go on meanwhile
    int64_t kind, bits, dimensions, shape[1];  // of x: its type, as DLPack counts it
};

// Whether x is contiguous, on the CPU, and of the known shape and type.
bool fits(const View& x, const Known& known) {
    if (x.device != Exchange::CPU || x.lanes != 1 || x.kind != known.kind || x.bits != known.bits) return false;
    if (x.dimensions != known.dimensions) return false;
    int64_t step = 1;
    for (int64_t i = known.dimensions - 1; i >= 0; i--) {
        if (x.shape[i] != known.shape[i]) return false;
        if (x.shape[i] != 1 && x.strides && x.strides[i] != step) return false;
        step *= x.shape[i];
    }
    return true;
}

// Whether this was found and is as expected; takes the reference. An error that it meets is raised by `step`.
bool is(PyObject* found, PyObject* expected) {
    const bool same = found && (found == expected || PyObject_RichCompareBool(found, expected, Py_EQ) == 1);
    Py_XDECREF(found);
    return same;
}

// Whether the weights are those that were packed, unchanged. seen: (name, weight, version) of each.
bool serves(PyObject* seen, PyObject* parameters) {
    for (Py_ssize_t i = 0, size = PyList_Size(seen); i < size; i++) {
        PyObject *one = PyList_GetItem(seen, i), *weight = PyTuple_GetItem(one, 1);
        if (PyDict_GetItemWithError(parameters, PyTuple_GetItem(one, 0)) != weight) return false;
        if (!is(get(VERSION, weight, nullptr), PyTuple_GetItem(one, 2))) return false;
    }
    return true;
}

// step(ready, parameters, x, state) -> (y, state), or None.
// ready: (seen, what is known, what raises for a kernel's status, the steps that are left), and of these each is a `Step`
// of elman/nn/streaming.py.
PyObject* step(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "step takes 4 arguments, got %zd", count);
    PyObject *ready = arguments[0], *state = arguments[3];
    const auto part = [=](Py_ssize_t i) { return PyTuple_GetItem(ready, i); };
    View x, results;
    const Known& known = *reinterpret_cast<const Known*>(PyBytes_AsString(part(1)));
    const bool usual = serves(part(0), arguments[1]) && can_view(arguments[2], x) && fits(x, known);
    if (PyErr_Occurred()) return nullptr;

    // From here to the kernel no other thread of Python's runs: this step is nobody else's.
    PyObject* left = part(3);
    const Py_ssize_t last = PyList_Size(left) - 1;
    PyObject* next = usual && last >= 0 ? PyList_GetItem(left, last) : nullptr;
    if (!next || PyTuple_GetItem(next, 2) != state) Py_RETURN_NONE;
    PyObject* place = PyTuple_GetItem(next, 0);
    if (!can_view(PyTuple_GetItem(place, 2), results)) Py_RETURN_NONE;
    if (results.data != PyLong_AsVoidPtr(PyTuple_GetItem(place, 3))) Py_RETURN_NONE;
    Py_INCREF(next);
    PyList_SetSlice(left, last, last + 1, nullptr);
    void** room = static_cast<void**>(PyLong_AsVoidPtr(PyTuple_GetItem(place, 1)));
    const int number = int(PyLong_AsLong(PyTuple_GetItem(next, 1)));
    room[number] = x.data + x.offset;
    const auto kernel = reinterpret_cast<int (*)(void* room, int number)>(known.kernel);
    PyThreadState* others = known.is_long ? PyEval_SaveThread() : nullptr;
    const int status = kernel(room, number);
    if (others) PyEval_RestoreThread(others);
    PyObject* result = status ? PyObject_CallFunction(part(2), "i", status) : PyTuple_GetItem(next, 3);
    if (!status) Py_INCREF(result);
    Py_DECREF(next);
    return result;
}

PyMethodDef methods[] = {{"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(step)), METH_FASTCALL, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ready_step", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__ready_step() {
    PyObject* torch = PyImport_ImportModule("torch");
    PyObject* tensor = torch ? PyObject_GetAttrString(torch, "Tensor") : nullptr;
    PyObject* table = tensor ? PyObject_GetAttrString(tensor, "__dlpack_c_exchange_api__") : nullptr;
    exchange = table ? static_cast<const Exchange*>(PyCapsule_GetPointer(table, "dlpack_exchange_api")) : nullptr;
    if (!exchange || exchange->version != Exchange::VERSION || !exchange->view) {
        PyErr_SetString(PyExc_ImportError, "this torch does not let its tensors be viewed by DLPack's table");
        return nullptr;
    }
    TENSOR = reinterpret_cast<PyTypeObject*>(tensor);
    VERSION = PyObject_GetAttrString(tensor, "_version");
    get = VERSION ? reinterpret_cast<descrgetfunc>(PyType_GetSlot(Py_TYPE(VERSION), Py_tp_descr_get)) : nullptr;
    if (!get) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "the version of a tensor of this torch is no property");
        return nullptr;
    }
    return PyModule_Create(&module);
}
