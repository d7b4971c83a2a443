// Torch's tensors as C sees them, through the table of functions with which torch serves DLPack.
//
// It knows CPython's stable ABI only, so that one library serves all versions from 3.11 on.
#pragma once

#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <cstdint>
#include <initializer_list>

namespace elman {

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

inline const Exchange* exchange;
inline PyTypeObject *TENSOR, *PARAMETER;

// Whether x is an ordinary tensor, or a parameter, that can be viewed. An error that this meets is none: who
// goes on in Python will see.
inline bool can_view(PyObject* x, View& view) {
    if (Py_TYPE(x) != TENSOR && Py_TYPE(x) != PARAMETER) return false;
    if (exchange->view(x, &view) == 0) return true;
    PyErr_Clear();
    return false;
}

// Whether x is contiguous, as what is empty always is, on the CPU, and of this shape and type.
inline bool is_plain(const View& x, int64_t kind, int64_t bits, int64_t dimensions, const int64_t* shape) {
    if (x.device != Exchange::CPU || x.lanes != 1 || x.kind != kind || x.bits != bits) return false;
    if (x.dimensions != dimensions) return false;
    int64_t step = 1;
    bool dense = true;
    for (int64_t i = dimensions - 1; i >= 0; i--) {
        if (x.shape[i] != shape[i]) return false;
        dense &= x.shape[i] == 1 || !x.strides || x.strides[i] == step;
        step *= x.shape[i];
    }
    return dense || step == 0;
}

}  // namespace elman
