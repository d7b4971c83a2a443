// A step of a stream that is ready, for Python: the checks and the call of `Stream.step` in elman/nn/streaming.py, which
// goes on where this returns None, and does without where this was not built. It saves a sixth of a small step.
//
// It knows CPython's stable ABI only, so that one library serves all versions from 3.11 on.
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

namespace {

PyObject *VERSION, *SHAPE, *DTYPE, *IS_CPU, *IS_CONTIGUOUS, *DATA_PTR;  // names of a tensor's attributes

// Whether this was found and is as expected; takes the reference. An error that it meets is raised by `step`.
bool is(PyObject* found, PyObject* expected) {
    const bool same = found && (found == expected || PyObject_RichCompareBool(found, expected, Py_EQ) == 1);
    Py_XDECREF(found);
    return same;
}

PyObject* call(PyObject* tensor, PyObject* method) { return PyObject_CallMethodObjArgs(tensor, method, nullptr); }

// Whether the weights are those that were packed, unchanged. seen: (name, weight, version) of each.
bool serves(PyObject* seen, PyObject* parameters) {
    for (Py_ssize_t i = 0, size = PyList_Size(seen); i < size; i++) {
        PyObject *one = PyList_GetItem(seen, i), *weight = PyTuple_GetItem(one, 1);
        if (PyDict_GetItemWithError(parameters, PyTuple_GetItem(one, 0)) != weight) return false;
        if (!is(PyObject_GetAttr(weight, VERSION), PyTuple_GetItem(one, 2))) return false;
    }
    return true;
}

// step(ready, parameters, x, state) -> (y, state), or None.
// ready: (seen, shape of x, type of x, address of the kernel, what raises for its status, the steps that are left);
// of these each is a `Step` of elman/nn/streaming.py.
PyObject* step(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "step takes 4 arguments, got %zd", count);
    PyObject *ready = arguments[0], *x = arguments[2], *state = arguments[3];
    const auto part = [=](Py_ssize_t i) { return PyTuple_GetItem(ready, i); };
    const bool fits = serves(part(0), arguments[1]) && is(PyObject_GetAttr(x, SHAPE), part(1)) &&
                      is(PyObject_GetAttr(x, DTYPE), part(2)) && is(PyObject_GetAttr(x, IS_CPU), Py_True) &&
                      is(call(x, IS_CONTIGUOUS), Py_True);
    PyObject* place = fits ? call(x, DATA_PTR) : nullptr;
    void* input = place ? PyLong_AsVoidPtr(place) : nullptr;
    Py_XDECREF(place);
    if (PyErr_Occurred()) return nullptr;

    // From here to the kernel no other thread of Python's runs: this step is nobody else's.
    PyObject* left = part(5);
    const Py_ssize_t last = PyList_Size(left) - 1;
    PyObject* next = fits && last >= 0 ? PyList_GetItem(left, last) : nullptr;
    if (!next || PyTuple_GetItem(next, 3) != state) Py_RETURN_NONE;
    if (!is(call(PyTuple_GetItem(next, 5), DATA_PTR), PyTuple_GetItem(next, 6))) Py_RETURN_NONE;
    Py_INCREF(next);
    PyList_SetSlice(left, last, last + 1, nullptr);
    void** room = static_cast<void**>(PyLong_AsVoidPtr(PyTuple_GetItem(next, 1)));
    const int number = int(PyLong_AsLong(PyTuple_GetItem(next, 2)));
    room[number] = input;
    const auto kernel = reinterpret_cast<int (*)(void* room, int number)>(PyLong_AsVoidPtr(part(3)));
    int status;
    Py_BEGIN_ALLOW_THREADS;
    status = kernel(room, number);
    Py_END_ALLOW_THREADS;
    PyObject* result = status ? PyObject_CallFunction(part(4), "i", status) : PyTuple_GetItem(next, 4);
    if (!status) Py_INCREF(result);
    Py_DECREF(next);
    return result;
}

PyMethodDef methods[] = {{"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(step)), METH_FASTCALL, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ready_step", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__ready_step() {
    VERSION = PyUnicode_InternFromString("_version");
    SHAPE = PyUnicode_InternFromString("shape");
    DTYPE = PyUnicode_InternFromString("dtype");
    IS_CPU = PyUnicode_InternFromString("is_cpu");
    IS_CONTIGUOUS = PyUnicode_InternFromString("is_contiguous");
    DATA_PTR = PyUnicode_InternFromString("data_ptr");
    return PyModule_Create(&module);
}
