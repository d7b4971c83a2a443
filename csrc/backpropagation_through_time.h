// The same graph from right to left, t = T .. 1, written once for all cells.
//
// Three passes over one buffer, dz [N, S*h], the gradient of the gates' sums:
//   1. through time: the cell's step_back, then dh⟨t-1⟩ += U^T dz⟨t⟩. A thread takes its own sequences.
//   2. dx = W^T dz, all steps at once. A thread takes its own rows.
//   3. dW += dz^T x, dU += dz^T h⟨t-1⟩, db += the sum of dz. Weights serve every step, so their gradients are sums
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
        if (way.meeting) way.meeting->wait(way.ways_that_meet, met);  // for the other units' dz
        add_product(alive, sums.data(), 1, p.columns, u, way.unit, way.last_unit, dh.data(), dh.data());
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

// A part of a weight matrix [G*H, inputs] and its bias: the units from `first` to `last` of every gate. DEPTH rows are
// summed at a time, and these sums in double, for a sequence may have more steps than a float has digits.
template <class T>
struct GradientPart {
    int64_t gates, hidden, wide, inputs, first, last;
    const int* section;  // [gates], where each gate's gradient stands in a row of dz
    const T* dz;         // [N, dz_width]
    int64_t dz_width;
    T *dw, *db;          // null if not wanted

    int64_t units() const { return last - first; }
    const T* from(int64_t n, int64_t gate) const { return dz + n * dz_width + section[gate] * wide + first; }
    int64_t to(int64_t gate) const { return gate * hidden + first; }  // row of dw, element of db

    static void add(const T* row, int64_t count, double* __restrict sum) {
        for (int64_t i = 0; i < count; i++) sum[i] += row[i];
    }

    static void add_to(T* __restrict to, int64_t count, const double* sum) {
        for (int64_t i = 0; i < count; i++) to[i] += T(sum[i]);
    }

    void add_bias(int64_t rows) const {
        for (int64_t gate = 0; gate < gates; gate++) {
            std::vector<double> sum(units());
            for (int64_t n = 0; n < rows; n++) add(from(n, gate), units(), sum.data());
            add_to(db + to(gate), units(), sum.data());
        }
    }

    // x is one-hot: each step's gradient is added to the column that it looked up.
    void add_columns(int64_t rows, const int64_t* symbols) const {
        for (int64_t gate = 0; gate < gates; gate++) {
            std::vector<double> sum(inputs * units());  // [inputs, units]
            for (int64_t n = 0; n < rows; n++) add(from(n, gate), units(), sum.data() + symbols[n] * units());
            for (int64_t u = 0; u < units(); u++)
                for (int64_t i = 0; i < inputs; i++) dw[(to(gate) + u) * inputs + i] += T(sum[i * units() + u]);
        }
    }

    // dw += dz^T x and the bias, where x is [N] pointers to its rows; both sides are packed.
    void add_products(const std::vector<const T*>& x) const {
        const int64_t rows = x.size(), matrix = units() * inputs;
        Buffer<T> left(ceiling(units(), TILE_ROWS) * TILE), right(packed_size<T>(DEPTH, inputs)), product(matrix);
        std::vector<double> sum(gates * matrix), bias_sum(gates * units());
        std::vector<T> bias(units());  // of a block
        const std::vector<T> zeros(inputs);
        const std::vector<const T*> nothing(units(), zeros.data());
        std::vector<const T*> a(units());
        std::vector<T*> c(units());
        for (int64_t u = 0; u < units(); u++) {
            a[u] = left.data + u / TILE_ROWS * TILE + u % TILE_ROWS;
            c[u] = product.data + u * inputs;
        }
        for (int64_t n0 = 0; n0 < rows; n0 += DEPTH) {
            const int64_t depth = std::min(DEPTH, rows - n0);
            pack_rows(x.data() + n0, inputs, 0, ceiling(inputs, PANEL<T>), depth, right.data);
            for (int64_t gate = 0; gate < gates; gate++) {
                std::fill(bias.begin(), bias.end(), T(0));
                pack_left(n0, depth, gate, left.data, bias.data());
                add(bias.data(), units(), bias_sum.data() + gate * units());
                add_product(units(), a.data(), TILE_ROWS, depth, right.data, 0, inputs, nothing.data(), c.data());
                add(product.data, matrix, sum.data() + gate * matrix);
            }
        }
        for (int64_t gate = 0; gate < gates; gate++) {
            add_to(dw + to(gate) * inputs, matrix, sum.data() + gate * matrix);
            if (db) add_to(db + to(gate), units(), bias_sum.data() + gate * units());
        }
    }

    // A gate's part of dz, [tile][depth][TILE_ROWS], and the sum of its rows. The rows lie too far apart for the
    // machine to see them coming.
    void pack_left(int64_t n0, int64_t depth, int64_t gate, T* out, T* __restrict bias) const {
        constexpr int64_t AHEAD = 4, LINE = 64 / sizeof(T);
        const int64_t count = units();
        const T* row = from(n0, gate);
        for (int64_t n = 0; n < depth; n++, row += dz_width) {
            if (n + AHEAD < depth)
                for (int64_t u = 0; u < count; u += LINE) __builtin_prefetch(row + AHEAD * dz_width + u);
            T* to = out + n * TILE_ROWS;
            int64_t u = 0;
            for (; u + TILE_ROWS <= count; u += TILE_ROWS, to += TILE) std::memcpy(to, row + u, TILE_ROWS * sizeof(T));
            std::memcpy(to, row + u, (count - u) * sizeof(T));
            for (u = 0; u < count; u++) bias[u] += row[u];
        }
    }

    // From tile to tile, and a cache line more, so that the tiles do not fight for the same places of a cache.
    static constexpr int64_t TILE = TILE_ROWS * DEPTH + 64 / sizeof(T);
};

// dW and db, or with `recurrent` dU and dc, of the given units.
template <class Cell, class T>
void weight_gradient(const ElmanLayer& layer, const Way& way, bool recurrent, int64_t first, int64_t last) {
    const ElmanDirection& d = way.direction;
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const States<T> states(layer, way);
    const GradientPart<T> part{Cell::GATES,
                               p.hidden,
                               p.wide,
                               recurrent ? p.hidden : p.input,
                               first,
                               last,
                               recurrent ? Cell::U_SECTION : Cell::W_SECTION,
                               static_cast<const T*>(d.dgates),
                               p.gates(),
                               static_cast<T*>(recurrent ? d.dw_hh : d.dw_ih),
                               static_cast<T*>(recurrent ? d.db_hh : d.db_ih)};
    if (!part.dw || (layer.symbols && !recurrent)) {
        if (part.db) part.add_bias(layer.rows);
        if (part.dw) part.add_columns(layer.rows, layer.symbols);
        return;
    }
    std::vector<const T*> rows(layer.rows);
    for (int64_t i = 0; i < way.batch.steps; i++)
        for (int64_t t = way.time(i), m = 0; m < way.alive(t); m++)
            rows[way.row(t, m)] = recurrent ? states.h_before(i, m) : static_cast<const T*>(layer.x) + way.row(t, m) * p.input;
    part.add_products(rows);
}

}  // namespace elman
