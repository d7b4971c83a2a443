// The same graph from right to left, t = T .. 1, written once for all cells.
//
// Three passes over one buffer, dz [N, S*h], the gradient of the gates' sums:
//   1. through time: the cell's step_back, then dh⟨t-1⟩ += U^T dz⟨t⟩. A thread takes its own sequences.
//   2. dx = W^T dz, all steps at once. A thread takes its own rows.
//   3. dW = dz^T x, dU = dz^T h⟨t-1⟩, db = the sum of dz. Weights serve every step, so their gradients are sums
//      over all of them. A thread takes its own units and sums over all of time, so the order of the sum is the
//      same for every number of threads.
#pragma once

#include "forward_propagation.h"

namespace elman {

template <class Cell, class T>
void backpropagation_through_time(const ElmanLayer& layer, const Way& way) {
    const States<T> states(layer, way);
    const ElmanDirection& d = way.direction;
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const T* u = static_cast<const T*>(d.back) + p.back_u_at();
    const int64_t members = ceiling(layer.batch - way.first, way.stride);

    // The gradients of h and c on their way to the step before, [members, h].
    Buffer<T> carry_h(members * p.wide), carry_c(members * p.wide);
    std::fill_n(carry_h.data, members * p.wide, T(0));
    std::fill_n(carry_c.data, members * p.wide, T(0));
    std::vector<T*> dh(members), dc(members);
    for (int64_t m = 0; m < members; m++) {
        dh[m] = carry_h.data + m * p.wide;
        dc[m] = carry_c.data + m * p.wide;
        std::copy_n(static_cast<const T*>(d.dh) + way.sequence(m) * p.hidden, p.hidden, dh[m]);
        if (Cell::MEMORY) std::copy_n(static_cast<const T*>(d.dc) + way.sequence(m) * p.hidden, p.hidden, dc[m]);
    }

    std::vector<const T*> sums(members);
    int64_t met = 0;
    const int64_t end = std::min(way.last_unit, p.hidden);
    for (int64_t i = way.batch.steps - 1; i >= 0; i--) {
        const int64_t t = way.time(i), alive = way.alive(t);
        for (int64_t m = 0; m < alive; m++) {
            const int64_t row = way.row(t, m);
            const T* gates = Cell::RECORDS ? static_cast<const T*>(d.gates) + row * p.gates() : nullptr;
            const T* doutput = d.doutputs ? static_cast<const T*>(d.doutputs) + row * layer.width : nullptr;
            const T *h = states.h_before(i, m), *h_next = states.h(t, m);
            const T* c = Cell::MEMORY ? states.c_before(i, m) : nullptr;
            const T* c_next = Cell::MEMORY ? states.c(t, m) : nullptr;
            T* dgates = static_cast<T*>(d.dgates) + row * p.gates();
            for_units<T>(way.unit, end, [&](int64_t j, int64_t count) ELMAN_LAMBDA {
                Vector<T> z[Cell::SECTIONS] = {}, dz[Cell::SECTIONS];
                if constexpr (Cell::RECORDS)
                    for (int s = 0; s < Cell::SECTIONS; s++) z[s] = load(gates + s * p.wide + j);
                Vector<T> dh_j = load(dh[m] + j), dc_j = load(dc[m] + j), c_j = {}, c_next_j = {};
                if (doutput) dh_j += load(doutput + j, count);
                if constexpr (Cell::MEMORY) c_j = load(c + j, count), c_next_j = load(c_next + j, count);
                dh_j = Cell::step_back(z, load(h + j, count), c_j, load(h_next + j, count), c_next_j, dh_j, dc_j, dz);
                store(dh[m] + j, dh_j);
                store(dc[m] + j, dc_j);
                // The units that fill up the vector must stay 0: 0 times an infinite input is no number.
                for (int s = 0; s < Cell::SECTIONS; s++) store(dgates + s * p.wide + j, first_of<T>(dz[s], count));
            });
            sums[m] = dgates + p.first();
        }
        if (i == 0 && !layer.dstate) break;
        if (way.meeting) way.meeting->wait(way.ways_that_meet, met);  // for the other units' dz
        add_product(alive, sums.data(), 1, p.columns, u, way.unit, way.last_unit, dh.data(), dh.data(), i % 2);
    }
    for (int64_t m = 0; m < members; m++) {
        std::copy(dh[m] + way.unit, dh[m] + end, static_cast<T*>(d.dh) + way.sequence(m) * p.hidden + way.unit);
        if (Cell::MEMORY) std::copy(dc[m] + way.unit, dc[m] + end, static_cast<T*>(d.dc) + way.sequence(m) * p.hidden + way.unit);
    }
}

// dx = the sum over all directions of W^T dz, of the rows from `first` to `last`; added to dx with `add_dx`.
template <class Cell, class T>
void input_gradient(const ElmanLayer& layer, int64_t first, int64_t last) {
    const Packing<Cell, T> p(layer.input, layer.hidden);
    std::vector<const T*> dz(last - first);
    std::vector<T*> dx(last - first);
    const std::vector<T> zeros(p.input, T(0));
    const std::vector<const T*> nothing(last - first, zeros.data());
    for (int64_t i = 0; i < layer.directions; i++) {
        const ElmanDirection& d = layer.direction[i];
        for (int64_t row = first; row < last; row++) {
            dz[row - first] = static_cast<const T*>(d.dgates) + row * p.gates();
            dx[row - first] = static_cast<T*>(layer.dx) + row * p.input;
        }
        add_product(last - first, dz.data(), 1, p.columns, static_cast<const T*>(d.back), 0, p.input,
                    i == 0 && !layer.add_dx ? nothing.data() : dx.data(), dx.data());
    }
}

constexpr int64_t DEPTH = 384;  // rows of dz and x that are packed and summed at a time

template <class T>
void add(const T* row, int64_t count, double* __restrict sum) {
    for (int64_t i = 0; i < count; i++) sum[i] += row[i];
}

// Adds sums to a gradient, or writes it anew.
template <class T, class Sum>
void bring(T* __restrict to, int64_t count, const Sum* sum, bool anew) {
    for (int64_t i = 0; i < count; i++) to[i] = (anew ? T(0) : to[i]) + T(sum[i]);
}

// Some units' part of dz, one gate and DEPTH rows at a time: packed, [tile][depth][TILE_ROWS], and the rows' sum.
template <class T>
struct GatePart {
    const T* dz;  // [N, width], from the first unit on
    int64_t width, units;
    Buffer<T> packed;
    std::vector<const T*> rows;  // [units], of the packed part
    std::vector<T> sum;          // [units]

    // From tile to tile, and a cache line more, so that the tiles do not fight for the same places of a cache.
    static constexpr int64_t TILE = TILE_ROWS * DEPTH + 64 / sizeof(T);

    GatePart(const T* dz, int64_t width, int64_t units)
        : dz(dz), width(width), units(units), packed(ceiling(units, TILE_ROWS) * TILE), rows(units), sum(units) {
        for (int64_t u = 0; u < units; u++) rows[u] = packed.data + u / TILE_ROWS * TILE + u % TILE_ROWS;
    }

    // The rows lie too far apart for the machine to see them coming, so they are fetched ahead.
    void take(int64_t n0, int64_t depth, int64_t column) {
        constexpr int64_t AHEAD = 4, LINE = 64 / sizeof(T);
        std::fill(sum.begin(), sum.end(), T(0));
        T* __restrict total = sum.data();
        const T* row = dz + n0 * width + column;
        for (int64_t n = 0; n < depth; n++, row += width) {
            if (n + AHEAD < depth)
                for (int64_t u = 0; u < units; u += LINE) __builtin_prefetch(row + AHEAD * width + u);
            T* to = packed.data + n * TILE_ROWS;
            int64_t u = 0;
            for (; u + TILE_ROWS <= units; u += TILE_ROWS, to += TILE) std::memcpy(to, row + u, TILE_ROWS * sizeof(T));
            std::memcpy(to, row + u, (units - u) * sizeof(T));
            for (u = 0; u < units; u++) total[u] += row[u];
        }
    }
};

// The gradient of some units' rows of a weight matrix [G*H, inputs], and of their bias. DEPTH rows are summed at a time,
// and these sums in double, for a sequence may have more steps than a float has digits; one block's are written as they
// are.
template <class T>
struct MatrixPart {
    int64_t inputs, units, gates;
    const int* section;       // [gates], where each gate's gradient stands in a row of dz
    T *to_dw, *to_db;         // where the first gate's begin, each gate's `hidden` rows behind; null if not wanted
    int64_t hidden;
    bool anew, once;          // whether they are written, not added to; whether one block is all
    std::vector<const T*> x;  // [N] rows of what the matrix was multiplied by, if dw is wanted
    Buffer<T> right, product;
    std::vector<double> dw, db;  // [gates, units, inputs], [gates, units]

    MatrixPart(int64_t inputs, int64_t units, int64_t gates, const int* section, void* to_dw, void* to_db, int64_t first,
               const ElmanLayer& layer)
        : inputs(inputs), units(units), gates(gates), section(section),
          to_dw(to_dw ? static_cast<T*>(to_dw) + first * inputs : nullptr),
          to_db(to_db ? static_cast<T*>(to_db) + first : nullptr), hidden(layer.hidden), anew(!layer.add_dw),
          once(layer.rows > 0 && layer.rows <= DEPTH), x(to_dw ? layer.rows : 0),
          right(to_dw ? packed_size<T>(std::min(layer.rows, DEPTH), inputs) : 0),
          product(to_dw && !(once && anew) ? units * inputs : 0), dw(to_dw && !once ? gates * units * inputs : 0),
          db(once ? 0 : gates * units) {}

    T* dw_of(int64_t gate) const { return to_dw + gate * hidden * inputs; }
    T* db_of(int64_t gate) const { return to_db + gate * hidden; }

    void take(int64_t n0, int64_t depth) {
        if (to_dw) pack_rows(x.data() + n0, inputs, 0, ceiling(inputs, PANEL<T>), depth, right.data);
    }

    void add_gate(int64_t gate, int64_t depth, const GatePart<T>& dz) {
        if (!once)
            add(dz.sum.data(), units, db.data() + gate * units);
        else if (to_db)
            bring(db_of(gate), units, dz.sum.data(), anew);
        if (!to_dw) return;
        const std::vector<T> zeros(inputs);
        const std::vector<const T*> nothing(units, zeros.data());
        std::vector<T*> c(units);
        for (int64_t u = 0; u < units; u++) c[u] = (once && anew ? dw_of(gate) : product.data) + u * inputs;
        add_product(units, dz.rows.data(), TILE_ROWS, depth, right.data, 0, inputs, nothing.data(), c.data());
        if (!once)
            add(product.data, units * inputs, dw.data() + gate * units * inputs);
        else if (!anew)
            bring(dw_of(gate), units * inputs, product.data, anew);
    }

    void finish() const {
        for (int64_t gate = 0; !once && gate < gates; gate++) {
            if (to_dw) bring(dw_of(gate), units * inputs, dw.data() + gate * units * inputs, anew);
            if (to_db) bring(db_of(gate), units, db.data() + gate * units, anew);
        }
    }
};

// dW of one-hot x: each step's gradient belongs to the column that it looked up.
template <class Cell, class T>
void add_columns(const ElmanLayer& layer, const ElmanDirection& d, const Packing<Cell, T>& p, int64_t first, int64_t last) {
    const int64_t units = last - first;
    for (int64_t gate = 0; gate < Cell::GATES; gate++) {
        const T* dz = static_cast<const T*>(d.dgates) + Cell::W_SECTION[gate] * p.wide + first;
        std::vector<double> sum(p.input * units);  // [I, units]
        for (int64_t n = 0; n < layer.rows; n++) add(dz + n * p.gates(), units, sum.data() + layer.symbols[n] * units);
        for (int64_t u = 0; u < units; u++)
            for (int64_t i = 0; i < p.input; i++)
                bring(static_cast<T*>(d.dw_ih) + (gate * p.hidden + first + u) * p.input + i, 1, &sum[i * units + u],
                      !layer.add_dw);
    }
}

// dW, dU and the biases', of the units from `first` to `last` of every gate.
template <class Cell, class T>
void weight_gradients(const ElmanLayer& layer, const Way& way, int64_t first, int64_t last) {
    const ElmanDirection& d = way.direction;
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const States<T> states(layer, way);
    const int64_t units = last - first;
    MatrixPart<T> w(p.input, units, Cell::GATES, Cell::W_SECTION, layer.symbols ? nullptr : d.dw_ih, d.db_ih, first, layer);
    MatrixPart<T> u(p.hidden, units, Cell::GATES, Cell::U_SECTION, d.dw_hh, d.db_hh, first, layer);
    for (size_t n = 0; n < w.x.size(); n++) w.x[n] = static_cast<const T*>(layer.x) + n * p.input;
    for (int64_t i = 0; u.to_dw && i < way.batch.steps; i++)
        for (int64_t t = way.time(i), m = 0; m < way.alive(t); m++) u.x[way.row(t, m)] = states.h_before(i, m);
    GatePart<T> dz(static_cast<const T*>(d.dgates) + first, p.gates(), units);
    for (int64_t n0 = 0; n0 < layer.rows; n0 += DEPTH) {
        const int64_t depth = std::min(DEPTH, layer.rows - n0);
        w.take(n0, depth);
        u.take(n0, depth);
        for (int64_t gate = 0; gate < Cell::GATES; gate++) {
            dz.take(n0, depth, w.section[gate] * p.wide);
            w.add_gate(gate, depth, dz);
            if (u.section[gate] != w.section[gate]) dz.take(n0, depth, u.section[gate] * p.wide);
            u.add_gate(gate, depth, dz);
        }
    }
    w.finish();
    u.finish();
    if (layer.symbols && d.dw_ih) add_columns(layer, d, p, first, last);
}

}  // namespace elman
