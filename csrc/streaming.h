// One step at a time through a stack of layers, for streams: the same sums in the same order as
// forward_propagation.h, and so the same bits.
#pragma once

#include "forward_propagation.h"

extern "C" {

struct ElmanStep {
    int64_t layers, batch, input, hidden, threads;
    const void* const* forward;  // [L] packed weights, by `pack`, one direction each
    const void* x;               // [B, I], or null
    const int64_t* symbols;      // [B] in place of x: the places of the ones of one-hot vectors
    const void *h, *c;           // [L, B, H]: the state before; c null for a cell without memory
    void *h_next, *c_next;       // [L, B, H]: the state behind; its last layer's h is the output
};
}

namespace elman {

// Weights of a layer from which on threads share a step. Two are faster from far fewer on, but only while each has a
// core to itself: where one must wait for its turn, a step that waits for it takes a thousand times as long.
constexpr int64_t SHARED = 1 << 20;

template <class Cell, class T>
void step_stack(const ElmanStep& call) {
    for (int64_t b = 0; call.symbols && b < call.batch; b++)
        if (call.symbols[b] < 0 || call.symbols[b] >= call.input) throw std::invalid_argument("symbols");
    std::vector<const T*> inputs(call.batch), before(call.batch);
    std::vector<T*> z(call.batch);
    Packing<Cell, T> p(call.input, call.hidden);
    Buffer<T> gates(call.batch * p.gates());
    for (int64_t layer = 0; layer < call.layers; layer++) {
        if (layer > 0) p = Packing<Cell, T>(call.hidden, call.hidden);
        const bool one_hot = layer == 0 && call.symbols;
        const T* w = static_cast<const T*>(call.forward[layer]);
        const int64_t state = layer * call.batch * p.hidden;  // where this layer's begins
        const T *h = static_cast<const T*>(call.h) + state, *c = static_cast<const T*>(call.c) + (Cell::MEMORY ? state : 0);
        T *h_next = static_cast<T*>(call.h_next) + state, *c_next = static_cast<T*>(call.c_next) + (Cell::MEMORY ? state : 0);
        for (int64_t b = 0; b < call.batch; b++) {
            inputs[b] = layer == 0 ? static_cast<const T*>(call.x) + b * p.input : h_next + (b - call.batch) * p.hidden;
            before[b] = h + b * p.hidden;
            z[b] = gates.data + b * p.gates();
            std::copy_n(w + p.bias_at(), p.gates(), z[b]);
            if (one_hot) add_column(p, w, call.symbols[b], 0, p.columns, z[b]);
        }
        // Each thread has its own part of a row of gates; parts must be whole panels of both products.
        const bool shared = p.bias_at() >= SHARED && p.first() % PANEL<T> == 0;
        const int64_t panels = ceiling(p.gates(), PANEL<T>);
        together(shared ? std::min(call.threads, panels) : 1, [&](int64_t part, int64_t parts) {
            const int64_t from = panels * part / parts * PANEL<T>;
            const int64_t to = std::min(p.gates(), panels * (part + 1) / parts * PANEL<T>);
            std::vector<T*> sums(call.batch);
            const auto add = [&](const std::vector<const T*>& a, int64_t k, const T* packed, int64_t first) {
                const int64_t begin = std::max(from, first), end = std::min(to, first + p.columns);
                for (int64_t b = 0; b < call.batch; b++) sums[b] = z[b] + first;
                if (begin < end)
                    add_product(call.batch, a.data(), 1, k, packed, begin - first, end - first, sums.data(), sums.data());
            };
            if (!one_hot) add(inputs, p.input, w, 0);
            add(before, p.hidden, w + p.u_at(), p.first());
        });
        for (int64_t b = 0; b < call.batch; b++) {
            const int64_t at = b * p.hidden;
            step<Cell, T>(p, 0, p.hidden, z[b], false, h + at, Cell::MEMORY ? c + at : nullptr, h_next + at,
                          Cell::MEMORY ? c_next + at : nullptr);
        }
    }
}

}  // namespace elman
