// One step at a time through a stack of layers, for streams: the same sums in the same order as
// forward_propagation.h, and so the same bits.
#pragma once

#include "forward_propagation.h"

extern "C" {

// Room for the results of several steps. They are taken one at a time, each of them once, by `number`.
struct ElmanRoom {
    enum { STEPS = 64 };  // at most
    // Of each step: its input [B, I], or [B] int64_t, the places of the ones of one-hot vectors; and the state before
    // it, [L, B, H] each, where that is not the state behind the step before (c only for a cell with memory); behind
    // the step these are null again.
    const void *x[STEPS], *h[STEPS], *c[STEPS];
    int64_t layers, batch, input, hidden, threads, one_hot;
    const void* const* forward;  // [L] packed weights, by `pack`, one direction each
    void *h_next, *c_next;       // [steps, L, B, H]: the state behind each; the last layer's h is the output
};
}

namespace elman {

constexpr int64_t FEW = 8;  // sequences whose step finds room on the stack, while their rows of gates are short

// Columns of a row of gates whose sums are found together: a few tiles of one row (see gemm.h), a part of the weights
// that is small beside a core's own cache.
template <class T>
constexpr int64_t COLUMNS = 8 * PANEL<T>;

// A step with an odd number goes through the weights from the last to the first: those that the step before used last
// are still near. The sums of an element are the same, in the same order.
template <class Cell, class T>
void step_stack(ElmanRoom& room, int64_t number) {
    const T* h = static_cast<const T*>(std::exchange(room.h[number], nullptr));
    const T* c = static_cast<const T*>(std::exchange(room.c[number], nullptr));
    const int64_t batch = room.batch, size = room.layers * batch * room.hidden;
    const int64_t* symbols = room.one_hot ? static_cast<const int64_t*>(room.x[number]) : nullptr;
    for (int64_t b = 0; symbols && b < batch; b++)
        if (symbols[b] < 0 || symbols[b] >= room.input) throw std::invalid_argument("symbols");
    T* h_next = static_cast<T*>(room.h_next) + number * size;
    T* c_next = Cell::MEMORY ? static_cast<T*>(room.c_next) + number * size : nullptr;
    if (!h) h = h_next - size;
    if (Cell::MEMORY && !c) c = c_next - size;

    Packing<Cell, T> p(room.input, room.hidden);
    SmallBuffer<const T*, FEW> inputs(batch), before(batch);
    SmallBuffer<T*, FEW> z(batch);
    SmallBuffer<T, FEW * 256> gates(batch * p.gates());
    for (int64_t layer = 0; layer < room.layers; layer++) {
        if (layer > 0) p = Packing<Cell, T>(room.hidden, room.hidden);
        const bool one_hot = layer == 0 && symbols;
        const T* w = static_cast<const T*>(room.forward[layer]);
        const int64_t state = layer * batch * p.hidden;  // where this layer's begins
        for (int64_t b = 0; b < batch; b++) {
            inputs.data[b] = layer == 0 ? static_cast<const T*>(room.x[number]) + b * p.input : h_next + state + (b - batch) * p.hidden;
            before.data[b] = h + state + b * p.hidden;
            z.data[b] = gates.data + b * p.gates();
            std::copy_n(w + p.bias_at(), p.gates(), z.data[b]);
            if (one_hot) add_column(p, w, symbols[b], 0, p.columns, z.data[b]);
        }
        // Each thread has its own part of a row of gates; parts must be whole panels of both products.
        const int64_t width = p.first() % PANEL<T> == 0 ? COLUMNS<T> : p.gates(), cuts = ceiling(p.gates(), width);
        together(p.bias_at() >= SHARED ? std::min(room.threads, cuts) : 1, [&](int64_t part, int64_t parts) {
            const int64_t begin = cuts * part / parts, end = cuts * (part + 1) / parts;
            SmallBuffer<T*, FEW> sums(batch);
            for (int64_t cut = begin; cut < end; cut++) {
                const int64_t from = (number % 2 ? begin + end - 1 - cut : cut) * width, to = std::min(p.gates(), from + width);
                const auto add = [&](const T* const* a, int64_t k, const T* packed, int64_t first) {
                    const int64_t left = std::max(from, first), right = std::min(to, first + p.columns);
                    for (int64_t b = 0; b < batch; b++) sums.data[b] = z.data[b] + first;
                    if (left < right)
                        add_product(batch, a, 1, k, packed, left - first, right - first, sums.data, sums.data,
                                    number % 2);
                };
                if (!one_hot) add(inputs.data, p.input, w, 0);
                add(before.data, p.hidden, w + p.u_at(), p.first());
            }
        });
        for (int64_t b = 0; b < batch; b++) {
            const int64_t at = state + b * p.hidden;
            step<Cell, T>(p, 0, p.hidden, z.data[b], false, h + at, Cell::MEMORY ? c + at : nullptr, h_next + at,
                          Cell::MEMORY ? c_next + at : nullptr);
        }
    }
}

}  // namespace elman
