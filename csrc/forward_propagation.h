// a⟨t⟩ = step(W x⟨t⟩ + b + U a⟨t-1⟩ + c, a⟨t-1⟩) for t = 1 .. T, written once for all cells.
//
// A thread takes its own sequences through all of time, and waits for nobody. It goes in spans of steps: first the
// input products of a span's rows, all at once, then step by step the recurrent products and the cell.
#pragma once

#include "packing.h"

namespace elman {

// The states on a way: those before each step, and where those behind it go.
template <class T>
struct States {
    const Way& way;
    const ElmanDirection& direction;
    const int64_t hidden, wide, width;

    States(const ElmanLayer& layer, const Way& way)
        : way(way), direction(way.direction), hidden(layer.hidden), wide(padded<T>(layer.hidden)), width(layer.width) {}

    T* own_h(int64_t member) const { return static_cast<T*>(direction.h) + way.sequence(member) * hidden; }
    T* own_c(int64_t member) const { return static_cast<T*>(direction.c) + way.sequence(member) * hidden; }
    T* h(int64_t t, int64_t member) const { return static_cast<T*>(direction.outputs) + way.row(t, member) * width; }
    // Where memory is not kept for every step, each sequence has one place for it.
    T* c(int64_t t, int64_t member) const {
        return direction.cells ? static_cast<T*>(direction.cells) + way.row(t, member) * wide : own_c(member);
    }
    // Behind the way's step i - 1; a sequence that was not alive then begins with its own state.
    const T* h_before(int64_t i, int64_t member) const {
        const int64_t t = way.time(i - 1);
        return member < way.alive(t) ? h(t, member) : own_h(member);
    }
    const T* c_before(int64_t i, int64_t member) const {
        const int64_t t = way.time(i - 1);
        return member < way.alive(t) ? c(t, member) : own_c(member);
    }
};

// z += W x of a one-hot x, from column `first` to `last`: a look-up of W's column.
template <class Cell, class T>
void add_column(const Packing<Cell, T>& p, const T* w, int64_t symbol, int64_t first, int64_t last, T* z) {
    for (int64_t j = first; j < last; j += LANES<T>) {
        const T* panel = w + j / PANEL<T> * PANEL<T> * p.input;
        store(z + j, load(z + j) + load(panel + symbol * PANEL<T> + j % PANEL<T>));
    }
}

// What a way adds to rows of gates: its units' columns of A B, for every gate.
template <class Cell, class T>
struct Products {
    const Packing<Cell, T>& p;
    const Way& way;

    void add(int64_t rows, const T* const* a, int64_t k, const T* b, const T* const* c0, T* const* c,
             bool turned = false) const {
        if (way.meeting == nullptr) return add_product(rows, a, 1, k, b, 0, p.columns, c0, c, turned);
        for (int64_t gate = 0; gate < Cell::GATES; gate++)
            add_product(rows, a, 1, k, b, gate * p.wide + way.unit, gate * p.wide + way.last_unit, c0, c, turned);
    }

    // z = bias + W x. W x has no part in the sections behind the first GATES.
    void of_inputs(const ElmanLayer& layer, const std::vector<int64_t>& rows, T* const* z) const {
        const T* w = static_cast<const T*>(way.direction.forward);
        const T* bias = w + p.bias_at();
        for (int64_t s = layer.symbols ? 0 : Cell::GATES; s < Cell::SECTIONS; s++) {
            const int64_t first = s * p.wide + way.unit, last = s * p.wide + way.last_unit;
            for (size_t i = 0; i < rows.size(); i++) {
                std::copy(bias + first, bias + last, z[i] + first);
                if (s < Cell::GATES) add_column(p, w, layer.symbols[rows[i]], first, last, z[i]);
            }
        }
        if (layer.symbols) return;
        std::vector<const T*> x(rows.size()), biases(rows.size(), bias);
        for (size_t i = 0; i < rows.size(); i++) x[i] = static_cast<const T*>(layer.x) + rows[i] * p.input;
        add(rows.size(), x.data(), p.input, w, biases.data(), z);
    }
};

// One sequence's step: of the way's units the sums z become gates, h and c become h_next and c_next, which may be
// the same. z: [S*h]; h, c: [H].
template <class Cell, class T>
ELMAN_INLINE void step(const Packing<Cell, T>& p, int64_t unit, int64_t last_unit, T* z, bool keep, const T* h,
                       const T* c, T* h_next, T* c_next) {
    for_units<T>(unit, std::min(last_unit, p.hidden), [&](int64_t j, int64_t count) ELMAN_LAMBDA {
        Vector<T> gates[Cell::SECTIONS], memory = {};
        for (int s = 0; s < Cell::SECTIONS; s++) gates[s] = load(z + s * p.wide + j);
        if constexpr (Cell::MEMORY) memory = load(c + j, count);
        const Vector<T> output = Cell::step(gates, load(h + j, count), memory);
        store(h_next + j, output, count);
        if constexpr (Cell::MEMORY) store(c_next + j, memory, count);
        if constexpr (Cell::RECORDS)
            if (keep)
                for (int s = 0; s < Cell::SECTIONS; s++) store(z + s * p.wide + j, gates[s]);
    });
}

template <class Cell, class T>
void forward_propagation(const ElmanLayer& layer, const Way& way) {
    const States<T> states(layer, way);
    const ElmanDirection& d = way.direction;
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const Products<Cell, T> products{p, way};
    const T* u = static_cast<const T*>(d.forward) + p.u_at();
    const int64_t members = ceiling(layer.batch - way.first, way.stride);
    Buffer<T> scratch(d.gates ? 0 : (SPAN + members) * p.gates());  // the gates of a span

    std::vector<int64_t> rows, last(members, -1);  // of the span; each sequence's last step
    std::vector<T*> z, sums;                       // the rows' gates, and where in these U h goes
    std::vector<const T*> h;                       // the states before
    int64_t met = 0;
    for (int64_t begin = 0, end = 0; begin < way.batch.steps; begin = end) {
        rows.clear(), z.clear(), sums.clear(), h.clear();
        for (; end < way.batch.steps && (end == begin || int64_t(rows.size()) < SPAN); end++) {
            const int64_t t = way.time(end);
            for (int64_t m = 0; m < way.alive(t); m++) {
                const int64_t row = way.row(t, m);
                z.push_back(d.gates ? static_cast<T*>(d.gates) + row * p.gates() : scratch.data + rows.size() * p.gates());
                sums.push_back(z.back() + p.first());
                h.push_back(states.h_before(end, m));
                rows.push_back(row);
                last[m] = t;
            }
        }
        products.of_inputs(layer, rows, z.data());
        if (layer.recompute) products.add(rows.size(), h.data(), p.hidden, u, sums.data(), sums.data());
        for (int64_t i = begin, at = 0; i < end; i++) {
            const int64_t t = way.time(i), alive = way.alive(t);
            if (!layer.recompute) {
                if (way.meeting && i > 0) way.meeting->wait(way.ways_that_meet, met);
                products.add(alive, h.data() + at, p.hidden, u, sums.data() + at, sums.data() + at, i % 2);
            }
            for (int64_t m = 0; m < alive; m++, at++)
                step<Cell, T>(p, way.unit, way.last_unit, z[at], d.gates, h[at], Cell::MEMORY ? states.c_before(i, m) : nullptr,
                              states.h(t, m), Cell::MEMORY ? states.c(t, m) : nullptr);
        }
    }
    if (layer.recompute) return;
    if (way.meeting) way.meeting->wait(way.ways_that_meet, met);  // until nobody reads the initial states any more
    for (int64_t m = 0; m < members; m++) {
        if (last[m] < 0) continue;
        const int64_t end = std::min(way.last_unit, p.hidden);
        const T* final_h = states.h(last[m], m);
        std::copy(final_h + way.unit, final_h + end, states.own_h(m) + way.unit);
        if (!Cell::MEMORY || !d.cells) continue;
        const T* final_c = states.c(last[m], m);
        std::copy(final_c + way.unit, final_c + end, states.own_c(m) + way.unit);
    }
}

// Weights of a layer from which on threads share a step. Two are faster from far fewer on, but only while each has a
// core to itself: where one must wait for its turn, a step that waits for it takes a thousand times as long.
constexpr int64_t SHARED = 1 << 20;

// A single step of at most UNPACKED sequences. To pack weights that are read no more than once would take longer than the
// step, so they are read as they stand: the same sums in the same order.
template <class Cell, class T>
void forward_one_step(const ElmanLayer& layer, const Batch& batch, const ElmanDirection& d) {
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const Way way{batch, d, 0, 1, 0, p.wide};
    const States<T> states(layer, way);
    const auto w = p.rows(d.w_ih, p.input, Cell::W_SECTION, 0), u = p.rows(d.w_hh, p.hidden, Cell::U_SECTION, Cell::U_FIRST);
    Buffer<T> scratch(d.gates ? 0 : layer.rows * p.gates());
    std::vector<T*> z, sums;
    std::vector<const T*> x, h;
    for (int64_t m = 0; m < layer.rows; m++) {
        z.push_back((d.gates ? static_cast<T*>(d.gates) : scratch.data) + m * p.gates());
        sums.push_back(z.back() + p.first());
        if (!layer.symbols) x.push_back(static_cast<const T*>(layer.x) + m * p.input);
        h.push_back(states.own_h(m));
        p.bias(d, z.back());
        for (int64_t j = 0; layer.symbols && j < p.columns; j++)
            if (w[j]) z[m][j] += w[j][layer.symbols[m]];
    }
    with_constant(layer.rows, [&](auto rows) {
        const auto add = [&](const std::vector<const T*>& a, int64_t k, const std::vector<const T*>& columns, T* const* to) {
            const int64_t vectors = p.columns / LANES<T>;
            together(p.bias_at() >= SHARED ? std::min(layer.threads, vectors) : 1, [&](int64_t part, int64_t parts) {
                add_unpacked<T, rows>(a.data(), k, columns.data(), vectors * part / parts * LANES<T>,
                                      vectors * (part + 1) / parts * LANES<T>, to);
            });
        };
        if (!layer.symbols) add(x, p.input, w, z.data());
        add(h, p.hidden, u, sums.data());
    });
    for (int64_t m = 0; m < layer.rows; m++) {
        step<Cell, T>(p, 0, p.wide, z[m], d.gates, h[m], Cell::MEMORY ? states.own_c(m) : nullptr, states.h(0, m),
                      Cell::MEMORY ? states.c(0, m) : nullptr);
        if (layer.recompute) continue;
        std::copy_n(states.h(0, m), p.hidden, states.own_h(m));
        if (Cell::MEMORY && d.cells) std::copy_n(states.c(0, m), p.hidden, states.own_c(m));
    }
}

}  // namespace elman
