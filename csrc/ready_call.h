// A call that wants no gradient, for Python: what `Recurrent.forward` of elman/nn/recurrent.py does, which goes on where
// this returns None. It saves most of a small batch's time.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "abi.h"
#include "view.h"

namespace elman {

// What is the same for all calls of some layers: a `bytes` object of whole numbers.
struct KnownOfCalls {
    int64_t kernel;  // address: int kernel(const ElmanLayer*)
    int64_t layers, directions, input, hidden, gates, states, weights;  // L, D, I, H, G; of a direction
    int64_t kind, bits;  // of a number, as DLPack counts them
    int64_t first, other;  // elements of the packed weights of a direction: in the first layer, in another
};

// Room that a thread keeps from call to call, up to MOST bytes: memory that comes anew from the system is cleared.
class Kept {
    enum { MOST = 32 << 20 };
    char* data = nullptr;
    size_t size = 0;

   public:
    char* take(size_t bytes) {
        if (bytes > size) {
            std::free(data);
            size = (bytes + 63) / 64 * 64;
            data = static_cast<char*>(std::aligned_alloc(64, size));
            if (!data) size = 0;
        }
        return data;
    }
    void give_back() {
        if (size <= MOST) return;
        std::free(data);
        data = nullptr, size = 0;
    }
    ~Kept() { std::free(data); }
};

// call(known, names, parameters, x, batch_sizes, state, outputs, finals, threads) -> a kernel's status, or None.
// names: of the weights, in torch's order. x: [T, B, I] with batch_sizes None, or [N, I] with [T]. state: [L*D, B, H], or
// a tuple of these, or None. outputs, finals: room for what comes out.
inline PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 9) return PyErr_Format(PyExc_TypeError, "call takes 9 arguments, got %zd", count);
    const auto& known = *reinterpret_cast<const KnownOfCalls*>(PyBytes_AsString(arguments[0]));
    PyObject *names = arguments[1], *parameters = arguments[2], *state = arguments[5];
    const bool packed = arguments[4] != Py_None;
    const auto view = [&](PyObject* tensor, View& seen, std::initializer_list<int64_t> shape) {
        return can_view(tensor, seen) && is_plain(seen, known.kind, known.bits, shape.size(), shape.begin());
    };
    const auto address = [](const View& seen) { return seen.data + seen.offset; };

    View x, sizes, outputs;
    if (!can_view(arguments[3], x) || x.dimensions != (packed ? 2 : 3)) Py_RETURN_NONE;
    std::vector<int64_t> even;
    ElmanLayer layer = {};
    if (packed) {
        if (!can_view(arguments[4], sizes) || sizes.dimensions != 1 || sizes.shape[0] < 1) Py_RETURN_NONE;
        layer.steps = sizes.shape[0];
        if (!is_plain(sizes, 0, 64, 1, &layer.steps)) Py_RETURN_NONE;
        layer.batch_sizes = reinterpret_cast<const int64_t*>(address(sizes));
        layer.batch = layer.batch_sizes[0];
        layer.rows = x.shape[0];
    } else {
        layer.steps = x.shape[0], layer.batch = x.shape[1], layer.rows = layer.steps * layer.batch;
        even.assign(layer.steps, layer.batch);
        layer.batch_sizes = even.data();
    }
    const int64_t ways = known.layers * known.directions, elements = layer.batch * known.hidden;
    layer.width = known.directions * known.hidden, layer.hidden = known.hidden, layer.directions = known.directions;
    layer.threads = PyLong_AsLong(arguments[8]);
    const bool fit = packed ? view(arguments[3], x, {layer.rows, known.input}) &&
                                  view(arguments[6], outputs, {layer.rows, layer.width})
                            : view(arguments[3], x, {layer.steps, layer.batch, known.input}) &&
                                  view(arguments[6], outputs, {layer.steps, layer.batch, layer.width});
    if (!fit) Py_RETURN_NONE;

    const Py_ssize_t all = ways * known.weights;
    if (PyTuple_Size(names) != all) Py_RETURN_NONE;
    std::vector<PyObject*> held(all);
    std::vector<const void*> weights(all);
    for (Py_ssize_t i = 0; i < all; i++) {
        View seen;
        const int64_t inputs = i / (known.directions * known.weights) ? layer.width : known.input;
        const int64_t rows = known.gates * known.hidden, kind = i % known.weights;
        held[i] = PyDict_GetItemWithError(parameters, PyTuple_GetItem(names, i));
        if (!held[i]) {
            if (PyErr_Occurred()) return nullptr;
            Py_RETURN_NONE;
        }
        const bool fits = kind > 1 ? view(held[i], seen, {rows}) : view(held[i], seen, {rows, kind ? known.hidden : inputs});
        if (!fits) Py_RETURN_NONE;
        weights[i] = address(seen);
    }

    char *finals[2] = {}, *initial[2] = {};
    for (int64_t i = 0; i < known.states; i++) {
        View seen, given;
        if (!view(PyTuple_GetItem(arguments[7], i), seen, {ways, layer.batch, known.hidden})) Py_RETURN_NONE;
        finals[i] = address(seen);
        if (state == Py_None) continue;
        if (PyTuple_Check(state) != (known.states > 1)) Py_RETURN_NONE;
        if (known.states > 1 && PyTuple_Size(state) != known.states) Py_RETURN_NONE;
        PyObject* one = known.states > 1 ? PyTuple_GetItem(state, i) : state;
        if (!view(one, given, {ways, layer.batch, known.hidden})) Py_RETURN_NONE;
        initial[i] = address(given);
    }
    const int64_t bytes = known.bits / 8;
    for (int64_t i = 0; i < known.states; i++) {
        if (initial[i])
            std::memcpy(finals[i], initial[i], ways * elements * bytes);
        else
            std::memset(finals[i], 0, ways * elements * bytes);
    }

    for (PyObject* weight : held) Py_INCREF(weight);  // another thread of Python's may exchange them
    const auto kernel = reinterpret_cast<int (*)(const ElmanLayer*)>(known.kernel);
    const bool packs = layer.steps != 1 || layer.rows > UNPACKED;
    const size_t between = known.layers > 1 ? (layer.rows * layer.width * bytes + 63) / 64 * 64 : 0;
    const size_t room = packs ? known.directions * std::max(known.first, known.other) * bytes : 0;
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    thread_local Kept kept;
    char* own = kept.take(2 * between + room + 64);
    status = own ? 0 : 1;
    for (int64_t l = 0; l < known.layers && !status; l++) {
        layer.x = l ? own + room + (l + 1) % 2 * between : address(x);
        layer.input = l ? layer.width : known.input;
        char* out = l + 1 < known.layers ? own + room + l % 2 * between : address(outputs);
        for (int64_t d = 0; d < known.directions; d++) {
            const int64_t way = l * known.directions + d;
            const void* const* w = &weights[way * known.weights];
            ElmanDirection& to = layer.direction[d];
            to = {};
            to.reverse = d;
            to.w_ih = w[0], to.w_hh = w[1];
            if (known.weights > 2) to.b_ih = w[2], to.b_hh = w[3];
            to.forward = packs ? own + d * (l ? known.other : known.first) * bytes : nullptr;
            to.outputs = out + d * known.hidden * bytes;
            to.h = finals[0] + way * elements * bytes;
            to.c = finals[1] ? finals[1] + way * elements * bytes : nullptr;
        }
        status = kernel(&layer);
    }
    kept.give_back();
    Py_END_ALLOW_THREADS
    for (PyObject* weight : held) Py_DECREF(weight);
    return PyLong_FromLong(status);
}

}  // namespace elman
