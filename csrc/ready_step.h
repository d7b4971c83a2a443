// A step of a stream that is ready, for Python: the checks and the call of `Stream.step` in elman/nn/streaming.py,
// which goes on where this returns None, and does without where this was not built or torch is too old for it. It
// saves a third of a small step.
#pragma once

#include "view.h"

namespace elman {

inline PyObject* VERSION;  // a tensor's attribute, and what reads it: to look it up by its name takes longer
inline descrgetfunc get;

// What is the same for all steps that are ready: a `bytes` object of whole numbers.
struct KnownOfSteps {
    int64_t kernel;   // address: int kernel(void* room, int number)
    int64_t is_long;  // whether other threads of Python's should go on meanwhile
    int64_t kind, bits, dimensions, shape[1];  // of x: its type, as DLPack counts it
};

// Whether this was found and is as expected; takes the reference. An error that it meets is raised by `step`.
inline bool is(PyObject* found, PyObject* expected) {
    const bool same = found && (found == expected || PyObject_RichCompareBool(found, expected, Py_EQ) == 1);
    Py_XDECREF(found);
    return same;
}

// Whether the weights are those that were packed, unchanged. seen: (name, weight, version) of each.
inline bool serves(PyObject* seen, PyObject* parameters) {
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
inline PyObject* step(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "step takes 4 arguments, got %zd", count);
    PyObject *ready = arguments[0], *state = arguments[3];
    const auto part = [=](Py_ssize_t i) { return PyTuple_GetItem(ready, i); };
    View x, results;
    const auto& known = *reinterpret_cast<const KnownOfSteps*>(PyBytes_AsString(part(1)));
    const bool usual = serves(part(0), arguments[1]) && can_view(arguments[2], x) &&
                       is_plain(x, known.kind, known.bits, known.dimensions, known.shape);
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

}  // namespace elman
