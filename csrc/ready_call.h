// A call, and the way back through it, for Python: what `Recurrent.forward` of elman/nn/recurrent.py and the gradient
// of elman/nn/fused.py do. That `forward` goes on where `call` returns None. It saves most of a small batch's time.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "abi.h"
#include "view.h"

namespace elman {

// What is the same for all calls of some layers: a `bytes` object of whole numbers.
struct KnownOfCalls {
    int64_t forward, backward;  // addresses: int kernel(const ElmanLayer*)
    int64_t layers, directions, input, hidden, gates, states, weights;  // L, D, I, H, G; of a direction
    int64_t kind, bits;  // of a number, as DLPack counts them
    int64_t first, other, back;  // elements of the packed weights of a direction: in the first layer, in another; for the way back
    int64_t row_gates, row_cells, row_dgates;  // elements of a row
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
inline thread_local Kept kept;

// What both ways are told, as kernels want it. A tensor is seen where it is as usual: contiguous, of the layers' type and
// of the shape that it must have; and None, whose address is null, wherever `at` and its kin look for one.
struct Call {
    const KnownOfCalls& known;
    const int64_t ways, bytes;  // L*D; of a number
    bool packed = false;
    ElmanLayer layer = {};
    std::vector<int64_t> even;    // batch sizes that are all the same
    std::vector<char*> weights;   // [L*D * weights of a direction]
    char* initial[2] = {};        // h and c: [L*D, B, H]

    explicit Call(PyObject* known_bytes)
        : known(*reinterpret_cast<const KnownOfCalls*>(PyBytes_AsString(known_bytes))),
          ways(known.layers * known.directions), bytes(known.bits / 8) {}

    bool at(PyObject* tensor, std::initializer_list<int64_t> shape, char*& address) const {
        View seen;
        address = nullptr;
        if (tensor == Py_None) return true;
        if (!can_view(tensor, seen) || !is_plain(seen, known.kind, known.bits, shape.size(), shape.begin())) return false;
        address = seen.data + seen.offset;
        return true;
    }

    // [N, width] of a packed batch, [T, B, width] of another.
    bool at_rows(PyObject* tensor, int64_t width, char*& address) const {
        return packed ? at(tensor, {layer.rows, width}, address) : at(tensor, {layer.steps, layer.batch, width}, address);
    }

    // h and c of all ways; null for None in place of the tuple.
    bool at_states(PyObject* states, char* (&addresses)[2]) const {
        for (int64_t i = 0; i < known.states; i++) {
            PyObject* state = states == Py_None ? states : PyTuple_GetItem(states, i);
            if (!at(state, {ways, layer.batch, known.hidden}, addresses[i])) return false;
        }
        return true;
    }

    // Weights, or gradients of these, in torch's order.
    bool at_weights(PyObject* tensors, std::vector<char*>& addresses) const {
        addresses.resize(ways * known.weights);
        if (PyTuple_Size(tensors) != Py_ssize_t(addresses.size())) return false;
        for (size_t i = 0; i < addresses.size(); i++) {
            PyObject* tensor = PyTuple_GetItem(tensors, i);
            const int64_t kind = i % known.weights, rows = known.gates * known.hidden;
            const int64_t columns = kind ? known.hidden : input(i / (known.directions * known.weights));
            if (!(kind > 1 ? at(tensor, {rows}, addresses[i]) : at(tensor, {rows, columns}, addresses[i]))) return false;
        }
        return true;
    }

    // arguments: see `call`. False where something is not as usual.
    bool reads(PyObject* const* arguments) {
        View x, sizes;
        packed = arguments[3] != Py_None;
        if (!can_view(arguments[2], x) || x.dimensions != (packed ? 2 : 3)) return false;
        if (packed) {
            if (!can_view(arguments[3], sizes) || sizes.dimensions != 1 || sizes.shape[0] < 1) return false;
            layer.steps = sizes.shape[0];
            if (!is_plain(sizes, 0, 64, 1, &layer.steps)) return false;
            layer.batch_sizes = reinterpret_cast<const int64_t*>(sizes.data + sizes.offset);
            layer.batch = layer.batch_sizes[0];
            layer.rows = x.shape[0];
        } else {
            layer.steps = x.shape[0], layer.batch = x.shape[1], layer.rows = layer.steps * layer.batch;
            even.assign(layer.steps, layer.batch);
            layer.batch_sizes = even.data();
        }
        layer.width = known.directions * known.hidden, layer.hidden = known.hidden, layer.directions = known.directions;
        char* from;
        if (!at_rows(arguments[2], known.input, from) || !at_weights(arguments[1], weights)) return false;
        layer.x = from;
        return at_states(arguments[4], initial);
    }

    int64_t input(int64_t l) const { return l ? layer.width : known.input; }
    int64_t of_state() const { return ways * layer.batch * known.hidden * bytes; }  // its bytes

    // Fills `state` with `from`, with zeros if that is null.
    void fill(char* state, const char* from) const {
        if (from)
            std::memcpy(state, from, of_state());
        else
            std::memset(state, 0, of_state());
    }

    // A direction of layer l, so far as it is the same both ways. out: where the layer's outputs begin.
    ElmanDirection& direct(int64_t l, int64_t d, char* out, char* h, char* c) {
        const int64_t way = l * known.directions + d, before = way * layer.batch * known.hidden * bytes;
        const char* const* w = &weights[way * known.weights];
        ElmanDirection& to = layer.direction[d];
        to = {};
        to.reverse = d;
        to.w_ih = w[0], to.w_hh = w[1];
        if (known.weights > 2) to.b_ih = w[2], to.b_hh = w[3];
        to.outputs = out + d * known.hidden * bytes;
        to.h = h + before, to.c = c ? c + before : nullptr;
        return to;
    }

    // Where the gates and the memory of a direction stand, one behind the other, in what `call` left for `back`.
    void remember(ElmanDirection& to, int64_t d, char* history) const {
        char* cells = history + known.directions * layer.rows * known.row_gates * bytes;
        if (known.row_gates) to.gates = history + d * layer.rows * known.row_gates * bytes;
        if (known.row_cells) to.cells = cells + d * layer.rows * known.row_cells * bytes;
    }
    int64_t of_history() const { return known.directions * layer.rows * (known.row_gates + known.row_cells); }
};

// Parts of some room, each of which begins a line of the cache.
struct Parts {
    size_t size = 0;
    size_t add(size_t bytes) { return std::exchange(size, size + (bytes + 63) / 64 * 64); }
};

inline int run(int64_t kernel, const ElmanLayer& layer) {
    return reinterpret_cast<int (*)(const ElmanLayer*)>(kernel)(&layer);
}

// call(known, weights, x, batch_sizes, state, outputs, finals, history, threads) -> a kernel's status, or None.
// weights: a tuple, in torch's order, none missing. x: [T, B, I] with batch_sizes None, or [N, I] with [T]. state: a tuple of
// [L*D, B, H] each, or None for zeros. outputs, finals: room for what comes out. history: room for what the way back of a
// single layer reads, or None.
inline PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 9) return PyErr_Format(PyExc_TypeError, "call takes 9 arguments, got %zd", count);
    Call to(arguments[0]);
    char *outputs, *finals[2] = {}, *history;
    if (!to.reads(arguments) || !to.at_rows(arguments[5], to.layer.width, outputs)) Py_RETURN_NONE;
    if (!to.at_states(arguments[6], finals) || !to.at(arguments[7], {to.of_history()}, history)) Py_RETURN_NONE;
    const KnownOfCalls& known = to.known;
    ElmanLayer& layer = to.layer;
    layer.threads = PyLong_AsLong(arguments[8]);
    for (int64_t i = 0; i < known.states; i++) to.fill(finals[i], to.initial[i]);

    const bool packs = layer.steps != 1 || layer.rows > UNPACKED;
    const int64_t packed = known.layers > 1 ? std::max(known.first, known.other) : known.first;
    Parts parts;
    const size_t weights = parts.add(packs ? known.directions * packed * to.bytes : 0);
    const size_t between[] = {parts.add(known.layers > 1 ? layer.rows * layer.width * to.bytes : 0),
                              parts.add(known.layers > 2 ? layer.rows * layer.width * to.bytes : 0)};
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    char* own = kept.take(parts.size + 64);
    status = own ? 0 : 1;
    for (int64_t l = 0; l < known.layers && !status; l++) {
        char* out = l + 1 < known.layers ? own + between[l % 2] : outputs;
        layer.input = to.input(l);
        if (l) layer.x = own + between[(l - 1) % 2];
        for (int64_t d = 0; d < known.directions; d++) {
            ElmanDirection& way = to.direct(l, d, out, finals[0], finals[1]);
            if (packs) way.forward = own + weights + d * (l ? known.other : known.first) * to.bytes;
            if (history) to.remember(way, d, history);
        }
        status = run(known.forward, layer);
    }
    kept.give_back();
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

// back(known, weights, x, batch_sizes, state, outputs, history, doutputs, dfinals, dx, dweights, dstate, threads)
// -> a kernel's status, or None: the way back through a `call` of one layer, whose arguments the first seven were.
// doutputs, dfinals: gradients of what came out, None for one that is zero. dx, dweights, dstate: room for gradients of
// what went in, None for one that is not wanted.
inline PyObject* back(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 13) return PyErr_Format(PyExc_TypeError, "back takes 13 arguments, got %zd", count);
    Call to(arguments[0]);
    char *outputs, *history, *doutputs, *dfinals[2] = {}, *dx, *dstate[2] = {};
    std::vector<char*> dweights;
    if (!to.reads(arguments) || !to.at_rows(arguments[5], to.layer.width, outputs)) Py_RETURN_NONE;
    if (!to.at(arguments[6], {to.of_history()}, history)) Py_RETURN_NONE;
    if (!to.at_rows(arguments[7], to.layer.width, doutputs) || !to.at_states(arguments[8], dfinals)) Py_RETURN_NONE;
    if (!to.at_rows(arguments[9], to.known.input, dx) || !to.at_weights(arguments[10], dweights)) Py_RETURN_NONE;
    if (!to.at_states(arguments[11], dstate)) Py_RETURN_NONE;
    const KnownOfCalls& known = to.known;
    ElmanLayer& layer = to.layer;
    layer.threads = PyLong_AsLong(arguments[12]);
    layer.input = known.input;
    layer.dx = dx;
    layer.dstate = arguments[11] != Py_None;

    Parts parts;
    const size_t weights = parts.add(known.directions * known.back * to.bytes);
    const size_t dgates = parts.add(known.directions * layer.rows * known.row_dgates * to.bytes);
    const size_t zeros = parts.add(to.of_state());  // an initial state that was not given
    const size_t scratch[] = {parts.add(to.of_state()), parts.add(to.of_state())};  // for dh and dc that are not wanted
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    char* own = kept.take(parts.size + 64);
    status = own ? 0 : 1;
    if (own) {
        to.fill(own + zeros, nullptr);
        for (int64_t i = 0; i < known.states; i++) {
            if (!to.initial[i]) to.initial[i] = own + zeros;
            if (!dstate[i]) dstate[i] = own + scratch[i];
            to.fill(dstate[i], dfinals[i]);
        }
        for (int64_t d = 0; d < known.directions; d++) {
            const int64_t before = d * layer.batch * known.hidden * to.bytes;
            char* const* dw = &dweights[d * known.weights];
            ElmanDirection& way = to.direct(0, d, outputs, to.initial[0], to.initial[1]);
            if (history) to.remember(way, d, history);
            way.back = own + weights + d * known.back * to.bytes;
            way.dgates = own + dgates + d * layer.rows * known.row_dgates * to.bytes;
            if (doutputs) way.doutputs = doutputs + d * known.hidden * to.bytes;
            way.dh = dstate[0] + before, way.dc = known.states > 1 ? dstate[1] + before : nullptr;
            way.dw_ih = dw[0], way.dw_hh = dw[1];
            if (known.weights > 2) way.db_ih = dw[2], way.db_hh = dw[3];
        }
        status = run(known.backward, layer);
    }
    kept.give_back();
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

}  // namespace elman
