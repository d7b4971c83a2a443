// One step at a time through a stack of layers, for streams: the same sums in the same order as forward_propagation.h,
// and so the same bits.
#pragma once

#include "forward_propagation.h"

extern "C" {

struct ElmanStack {
    int64_t layers, batch, input, hidden, threads;
    const void* const* forward;  // [L] packed weights, by `pack`, one direction each
};
}

namespace elman {

constexpr int64_t SHARED = 48 * 1024;  // weights of a layer from which on two threads are faster than one

// x: [B, I]. h and c: [L, B, H]; h_next and c_next: the same, not overlapping; c null for a cell without memory.
template <class Cell, class T>
void step_stack(const ElmanStack& stack, const T* x, const T* h, const T* c, T* h_next, T* c_next) {
    std::vector<const T*> inputs(stack.batch), before(stack.batch);
    std::vector<T*> z(stack.batch);
    Packing<Cell, T> p(stack.input, stack.hidden);
    Buffer<T> gates(stack.batch * p.gates());
    for (int64_t layer = 0; layer < stack.layers; layer++) {
        if (layer > 0) p = Packing<Cell, T>(stack.hidden, stack.hidden);
        const T* w = static_cast<const T*>(stack.forward[layer]);
        const int64_t state = layer * stack.batch * p.hidden;
        for (int64_t b = 0; b < stack.batch; b++) {
            inputs[b] = layer == 0 ? x + b * p.input : h_next + state + (b - stack.batch) * p.hidden;
            before[b] = h + state + b * p.hidden;
            z[b] = gates.data + b * p.gates();
            std::copy_n(w + p.bias_at(), p.gates(), z[b]);
        }
        // Each thread has its own part of a row of gates; parts must be whole panels of both products.
        const bool shared = p.bias_at() >= SHARED && p.first() % PANEL<T> == 0;
        const int64_t parts = shared ? stack.threads : 1, panels = ceiling(p.gates(), PANEL<T>);
        parallel(parts, parts, [&](int64_t part) {
            const int64_t from = panels * part / parts * PANEL<T>;
            const int64_t to = std::min(p.gates(), panels * (part + 1) / parts * PANEL<T>);
            std::vector<T*> sums(z);
            const auto add = [&](const std::vector<const T*>& a, int64_t k, const T* packed, int64_t first) {
                const int64_t begin = std::max(from, first), end = std::min(to, first + p.columns);
                for (int64_t b = 0; b < stack.batch; b++) sums[b] = z[b] + first;
                if (begin < end) add_product(stack.batch, a.data(), 1, k, packed, begin - first, end - first, sums.data(), sums.data());
            };
            add(inputs, p.input, w, 0);
            add(before, p.hidden, w + p.u_at(), p.first());
        });
        for (int64_t b = 0; b < stack.batch; b++) {
            const int64_t at = state + b * p.hidden;
            step<Cell, T>(p, 0, p.hidden, z[b], false, h + at, Cell::MEMORY ? c + at : nullptr, h_next + at, Cell::MEMORY ? c_next + at : nullptr);
        }
    }
}

}  // namespace elman
