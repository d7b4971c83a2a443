// Weights laid out as gemm.h reads them: for x W^T and h U^T on the way forward, for dz W and dz U on the way back.
//
// A gate's H rows are filled up with zeros to whole vectors, so that every section of a row of gates begins at
// one; the units that this makes up have sums of 0, and gradients of 0, and are never seen.
#pragma once

#include <type_traits>

#include "layer.h"

namespace elman {

template <class Cell, class T>
struct Packing {
    int64_t input, hidden, wide, columns;  // wide: h; columns: G*h

    Packing(int64_t input, int64_t hidden)
        : input(input), hidden(hidden), wide(padded<T>(hidden)), columns(Cell::GATES * wide) {}

    int64_t gates() const { return Cell::SECTIONS * wide; }  // elements of a row of gates
    int64_t first() const { return Cell::U_FIRST * wide; }   // where U h begins in it

    // Forward: W, U, and the bias that a row of gates begins with.
    int64_t u_at() const { return packed_size<T>(input, columns); }
    int64_t bias_at() const { return u_at() + packed_size<T>(hidden, columns); }
    int64_t forward_size() const { return bias_at() + gates(); }
    // Back: W and U again, whose rows are summed over.
    int64_t back_u_at() const { return packed_size<T>(columns, input); }
    int64_t back_size() const { return back_u_at() + packed_size<T>(columns, wide); }

    // The row of `weight` [G*H, k] that belongs to each column of the product; null where there is none.
    std::vector<const T*> rows(const void* weight, int64_t k, const int (&section)[Cell::GATES], int first) const {
        std::vector<const T*> found(columns, nullptr);
        for (int gate = 0; gate < Cell::GATES; gate++)
            for (int64_t j = 0; j < hidden; j++)
                found[(section[gate] - first) * wide + j] = static_cast<const T*>(weight) + (gate * hidden + j) * k;
        return found;
    }

    void bias(const ElmanDirection& d, T* out) const {
        std::fill_n(out, gates(), T(0));
        if (!d.b_ih) return;
        for (int gate = 0; gate < Cell::GATES; gate++)
            for (int64_t j = 0; j < hidden; j++) {
                out[Cell::W_SECTION[gate] * wide + j] += static_cast<const T*>(d.b_ih)[gate * hidden + j];
                out[Cell::U_SECTION[gate] * wide + j] += static_cast<const T*>(d.b_hh)[gate * hidden + j];
            }
    }
};

// One panel of B where its columns are given: out[k][c] = columns[c][k].
template <class T>
void pack_columns(const T* const* columns, int64_t count, int64_t k, T* out) {
    for (int64_t first = 0; first < PANEL<T>; first += LANES<T>)
        for (int64_t i = 0; i < k; i += LANES<T>) {
            const int64_t left = std::min<int64_t>(LANES<T>, k - i);
            Vector<T> block[LANES<T>];
            for (int64_t c = 0; c < LANES<T>; c++) {
                const T* from = first + c < count ? columns[first + c] : nullptr;
                block[c] = from ? load(from + i, left) : Vector<T>{};
            }
            transpose<T>(block);
            for (int64_t row = 0; row < left; row++) store(out + (i + row) * PANEL<T> + first, block[row]);
        }
}

// Panels `first` to `last` of B where its rows are given: out[panel][k][c] = rows[k][panel, c]. A row may be null for
// zeros. The rows may lie too far apart for the machine to see them coming, so they are fetched ahead.
template <class T>
void pack_rows(const T* const* rows, int64_t columns, int64_t first, int64_t last, int64_t k, T* out) {
    constexpr int64_t AHEAD = 4;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t panel = first; panel < last; panel++) {
            const int64_t begin = panel * PANEL<T>, count = columns - begin;
            if (i + AHEAD < k && rows[i + AHEAD]) __builtin_prefetch(rows[i + AHEAD] + begin);
            T* to = out + (panel * k + i) * PANEL<T>;
            const T* from = rows[i] ? rows[i] + begin : nullptr;
            store(to, from && count > 0 ? load(from, count) : Vector<T>{});
            store(to + LANES<T>, from && count > LANES<T> ? load(from + LANES<T>, count - LANES<T>) : Vector<T>{});
        }
    }
}

template <class Cell, class T>
void pack(const ElmanLayer& layer) {
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const int64_t panels = ceiling(p.columns, PANEL<T>);
    struct Side {
        std::vector<const T*> rows;
        int64_t k;
        T* out;
    };
    std::vector<Side> sides;
    for (int64_t i = 0; i < layer.directions; i++) {
        const ElmanDirection& d = layer.direction[i];
        T* out = static_cast<T*>(d.forward);
        sides.push_back({p.rows(d.w_ih, p.input, Cell::W_SECTION, 0), p.input, out});
        sides.push_back({p.rows(d.w_hh, p.hidden, Cell::U_SECTION, Cell::U_FIRST), p.hidden, out + p.u_at()});
        p.bias(d, out + p.bias_at());
    }
    parallel(layer.threads, sides.size() * panels, [&](int64_t i) {
        const Side& side = sides[i / panels];
        const int64_t first = i % panels * PANEL<T>;
        pack_columns(side.rows.data() + first, p.columns - first, side.k, side.out + first * side.k);
    });
}

template <class Cell, class T>
void pack_back(const ElmanLayer& layer) {
    const Packing<Cell, T> p(layer.input, layer.hidden);
    for (int64_t i = 0; i < layer.directions; i++) {
        const ElmanDirection& d = layer.direction[i];
        T* out = static_cast<T*>(d.back);
        const auto w = p.rows(d.w_ih, p.input, Cell::W_SECTION, 0);
        const auto u = p.rows(d.w_hh, p.hidden, Cell::U_SECTION, Cell::U_FIRST);
        const int64_t w_panels = layer.dx ? ceiling(p.input, PANEL<T>) : 0;
        const int64_t u_panels = layer.steps > 1 || layer.dstate ? ceiling(p.wide, PANEL<T>) : 0;
        parallel(layer.threads, w_panels + u_panels, [&](int64_t panel) {
            if (panel < w_panels)
                pack_rows(w.data(), p.input, panel, panel + 1, p.columns, out);
            else
                pack_rows(u.data(), p.hidden, panel - w_panels, panel - w_panels + 1, p.columns, out + p.back_u_at());
        });
    }
}

}  // namespace elman
