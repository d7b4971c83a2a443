// A module of Python: quick ways into the kernels, where all is as usual.
#include "ready_call.h"
#include "ready_step.h"

namespace {

using Function = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyCFunction as_method(Function function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {{"step", as_method(elman::step), METH_FASTCALL, nullptr},
                         {"call", as_method(elman::call), METH_FASTCALL, nullptr},
                         {"back", as_method(elman::back), METH_FASTCALL, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ready", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__ready() {
    using namespace elman;
    PyObject* torch = PyImport_ImportModule("torch");
    PyObject* tensor = torch ? PyObject_GetAttrString(torch, "Tensor") : nullptr;
    PyObject* modules = tensor ? PyObject_GetAttrString(torch, "nn") : nullptr;
    PyObject* parameter = modules ? PyObject_GetAttrString(modules, "Parameter") : nullptr;
    PyObject* table = parameter ? PyObject_GetAttrString(tensor, "__dlpack_c_exchange_api__") : nullptr;
    exchange = table ? static_cast<const Exchange*>(PyCapsule_GetPointer(table, "dlpack_exchange_api")) : nullptr;
    if (!exchange || exchange->version != Exchange::VERSION || !exchange->view) {
        PyErr_SetString(PyExc_ImportError, "this torch does not let its tensors be viewed by DLPack's table");
        return nullptr;
    }
    TENSOR = reinterpret_cast<PyTypeObject*>(tensor);
    PARAMETER = reinterpret_cast<PyTypeObject*>(parameter);
    VERSION = PyObject_GetAttrString(tensor, "_version");
    get = VERSION ? reinterpret_cast<descrgetfunc>(PyType_GetSlot(Py_TYPE(VERSION), Py_tp_descr_get)) : nullptr;
    if (!get) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "the version of a tensor of this torch is no property");
        return nullptr;
    }
    return PyModule_Create(&module);
}
