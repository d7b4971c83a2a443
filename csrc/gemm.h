// The one door to matrix products: C[m, n] = C0[m, n] + sum over k of A[m, k] B[k, n].
//
// Every element of C is one chain of multiply_adds, k = 0 .. K-1, that begins with C0's. Neither the number of
// rows nor the cut into tiles and blocks changes that chain, so a row's result is the same bits alone and in
// company.
//
// B is packed beforehand into panels of PANEL columns, [panel][K][PANEL], the last one filled up with zeros, so
// that the inner loop reads it from front to back. A, C0 and C are lists of pointers to rows, which may lie
// anywhere; element k of a row of A stands at row[k * step]. C0 may be C; nothing else may overlap C.
//
// A tile of C stays in registers over a block of k: up to TILE_ROWS rows by one panel; with few rows several
// panels, for there must be about eight independent sums to keep the multipliers busy.
#pragma once

#include <algorithm>

#include "simd.h"

namespace elman {

template <class T>
constexpr int PANEL = 2 * LANES<T>;
constexpr int64_t BLOCK = 512;  // of k: a block of a panel stays in the nearest cache while rows go by

constexpr int64_t ceiling(int64_t n, int64_t d) { return (n + d - 1) / d; }

template <class T>
constexpr int64_t packed_size(int64_t k, int64_t columns) {
    return ceiling(columns, PANEL<T>) * PANEL<T> * k;
}

// The rows of one tile, from `column` on.
template <class T>
struct Rows {
    const T* const* a;  // of A, from element `k0`
    int64_t step, k0;
    const T* const* c0;
    T* const* c;
    int64_t column;

    Rows at(int64_t more) const { return {a, step, k0, c0, c, column + more}; }
};

// The panels of a tile are `apart` panels from each other.
template <class T, int ROWS, int PANELS>
ELMAN_INLINE void tile(const Rows<T>& rows, const T* b, int64_t panel_size, int64_t k, int64_t apart) {
    constexpr int VECTORS = 2 * PANELS;
    const auto column = [&](int v) { return rows.column + (v / 2) * apart * PANEL<T> + (v % 2) * LANES<T>; };
    const T* a[ROWS];
    Vector<T> sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
        a[r] = rows.a[r] + rows.k0 * rows.step;
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(rows.c0[r] + column(v));
    }
    const int64_t step = rows.step;
    const auto right = [&](int64_t i, int v) {
        return load(b + (v / 2) * apart * panel_size + i * PANEL<T> + (v % 2) * LANES<T>);
    };
    // The shorter side of the tile is held in registers while the longer one goes by.
#pragma GCC unroll 2
    for (int64_t i = 0; i < k; i++) {
        if constexpr (ROWS < VECTORS) {
            Vector<T> left[ROWS];
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) left[r] = all<T>(a[r][i * step]);
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++) {
                const Vector<T> right_v = right(i, v);
#pragma GCC unroll 8
                for (int r = 0; r < ROWS; r++) sum[r][v] = multiply_add(left[r], right_v, sum[r][v]);
            }
        } else {
            Vector<T> right_i[VECTORS];
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++) right_i[v] = right(i, v);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) {
                const Vector<T> left = all<T>(a[r][i * step]);
#pragma GCC unroll 8
                for (int v = 0; v < VECTORS; v++) sum[r][v] = multiply_add(left, right_i[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) store(rows.c[r] + column(v), sum[r][v]);
}

// A block of k over `panels` whole panels. The panels of a tile are those at the same place of equal parts of B, not
// neighbours: from tile to tile each part is then read on from front to back, as the machine fetches ahead.
template <class T, int ROWS, int PANELS>
void tiles(const Rows<T>& rows, const T* b, int64_t panel_size, int64_t k, int64_t panels, bool turned) {
    const int64_t part = panels / PANELS;
    for (int64_t i = 0; i < part; i++) {
        const int64_t p = turned ? part - 1 - i : i;
        tile<T, ROWS, PANELS>(rows.at(p * PANEL<T>), b + p * panel_size, panel_size, k, part);
    }
    if constexpr (PANELS > 1)
        for (int64_t p = part * PANELS; p < panels; p++)
            tile<T, ROWS, 1>(rows.at(p * PANEL<T>), b + p * panel_size, panel_size, k, 0);
}

template <class T>
void tiles(int64_t count, const Rows<T>& rows, const T* b, int64_t panel_size, int64_t k, int64_t panels, bool turned) {
    switch (count) {
        case 1: return tiles<T, 1, 4>(rows, b, panel_size, k, panels, turned);
        case 2: return tiles<T, 2, 2>(rows, b, panel_size, k, panels, turned);
        case 3: return tiles<T, 3, 2>(rows, b, panel_size, k, panels, turned);
        case 4: return tiles<T, 4, 1>(rows, b, panel_size, k, panels, turned);
        case 5: return tiles<T, 5, 1>(rows, b, panel_size, k, panels, turned);
        case 6: return tiles<T, 6, 1>(rows, b, panel_size, k, panels, turned);
    }
    if constexpr (TILE_ROWS > 6) {
        if (count == 7) return tiles<T, 7, 1>(rows, b, panel_size, k, panels, turned);
        return tiles<T, 8, 1>(rows, b, panel_size, k, panels, turned);
    }
}

// The last panel, within which C ends: through a copy of its `left` columns.
template <class T>
void last_tile(int64_t count, const Rows<T>& rows, const T* b, int64_t k, int64_t left) {
    T copy[TILE_ROWS][PANEL<T>] = {};
    T* copies[TILE_ROWS];
    for (int64_t r = 0; r < count; r++) {
        std::memcpy(copy[r], rows.c0[r] + rows.column, left * sizeof(T));
        copies[r] = copy[r];
    }
    tiles<T>(count, {rows.a, rows.step, rows.k0, copies, copies, 0}, b, 0, k, 1, false);
    for (int64_t r = 0; r < count; r++) std::memcpy(rows.c[r] + rows.column, copy[r], left * sizeof(T));
}

// Columns `first` to `last` of C, where `first` begins a panel. a: [rows] pointers to K >= 1 elements, `step` apart.
// b: all of B, packed. c0, c: [rows] pointers to rows, from their column 0 on. turned: from the last panel to the first.
// Who comes back to the same B again and again turns each second time: what was read last is still near.
template <class T>
void add_product(int64_t rows, const T* const* a, int64_t step, int64_t k, const T* b, int64_t first, int64_t last,
                 const T* const* c0, T* const* c, bool turned = false) {
    const int64_t begin = first / PANEL<T>, whole = last / PANEL<T>, left = last % PANEL<T>, panel_size = k * PANEL<T>;
    const int64_t cuts = ceiling(rows, TILE_ROWS);
    const int64_t group = rows < 4 ? std::max<int64_t>(1, whole - begin) : 1;  // panels that go by while a tile's rows stay
    const int64_t groups = (whole - begin) / group + (left > 0), block = cuts > 1 ? BLOCK : k;
    for (int64_t k0 = 0; k0 < k; k0 += block) {
        const int64_t depth = std::min(block, k - k0);
        // Panels outside, rows inside, so that a block of a panel is fetched once.
        for (int64_t i = 0; i < groups; i++) {
            const int64_t p = begin + (turned ? groups - 1 - i : i) * group;
            const T* panel = b + p * panel_size + k0 * PANEL<T>;
            for (int64_t cut = 0, row = 0; cut < cuts; cut++) {
                const int64_t next = rows * (cut + 1) / cuts;
                const Rows<T> some{a + row, step, k0, (k0 == 0 ? c0 : c) + row, c + row, p * PANEL<T>};
                if (p < whole)
                    tiles<T>(next - row, some, panel, panel_size, depth, group, turned);
                else
                    last_tile<T>(next - row, some, panel, depth, left);
                row = next;
            }
        }
    }
}

}  // namespace elman
