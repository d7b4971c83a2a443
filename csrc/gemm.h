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
#include <type_traits>

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

// A tile has some panels, which are `apart` panels from each other, or one vector, the first half of a panel.
template <class T, int ROWS, int VECTORS>
ELMAN_INLINE void tile(const Rows<T>& rows, const T* b, int64_t panel_size, int64_t k, int64_t apart) {
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
template <class T, int ROWS>
void tiles(const Rows<T>& rows, const T* b, int64_t panel_size, int64_t k, int64_t panels, bool turned) {
    constexpr int PANELS = ROWS == 1 ? 4 : ROWS < 4 ? 2 : 1;
    const int64_t part = panels / PANELS;
    for (int64_t i = 0; i < part; i++) {
        const int64_t p = turned ? part - 1 - i : i;
        tile<T, ROWS, 2 * PANELS>(rows.at(p * PANEL<T>), b + p * panel_size, panel_size, k, part);
    }
    if constexpr (PANELS > 1)
        for (int64_t p = part * PANELS; p < panels; p++)
            tile<T, ROWS, 2>(rows.at(p * PANEL<T>), b + p * panel_size, panel_size, k, 0);
}

// Calls work with `count`, from 1 to TILE_ROWS, as a constant.
template <class Work>
ELMAN_INLINE void with_constant(int64_t count, const Work& work) {
    switch (count) {
        case 1: return work(std::integral_constant<int, 1>());
        case 2: return work(std::integral_constant<int, 2>());
        case 3: return work(std::integral_constant<int, 3>());
        case 4: return work(std::integral_constant<int, 4>());
        case 5: return work(std::integral_constant<int, 5>());
        case 6: return work(std::integral_constant<int, 6>());
    }
    if constexpr (TILE_ROWS > 6) {
        if (count == 7) return work(std::integral_constant<int, 7>());
        return work(std::integral_constant<int, 8>());
    }
}

// The last panel, within which C ends: through a copy of its `left` columns.
template <class T, int ROWS>
void last_tile(const Rows<T>& rows, const T* b, int64_t k, int64_t left) {
    T copy[ROWS][PANEL<T>] = {};
    T* copies[ROWS];
    for (int r = 0; r < ROWS; r++) {
        std::memcpy(copy[r], rows.c0[r] + rows.column, left * sizeof(T));
        copies[r] = copy[r];
    }
    const Rows<T> some{rows.a, rows.step, rows.k0, copies, copies, 0};
    if (left > LANES<T>)
        tile<T, ROWS, 2>(some, b, 0, k, 0);
    else
        tile<T, ROWS, 1>(some, b, 0, k, 0);
    for (int r = 0; r < ROWS; r++) std::memcpy(rows.c[r] + rows.column, copy[r], left * sizeof(T));
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
                with_constant(next - row, [&](auto count) ELMAN_LAMBDA {
                    if (p < whole)
                        tiles<T, count>(some, panel, panel_size, depth, group, turned);
                    else
                        last_tile<T, count>(some, panel, depth, left);
                });
                row = next;
            }
        }
    }
}

// Some vectors of columns of a B that is not packed, from column j on.
template <class T, int ROWS, int VECTORS>
ELMAN_INLINE void unpacked_tile(const T* const* a, int64_t k, const T* const* columns, int64_t j, T* const* c) {
    Vector<T> sum[ROWS][VECTORS];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(c[r] + j + v * LANES<T>);
    for (int64_t i = 0; i < k; i += LANES<T>) {
        const int64_t left = std::min<int64_t>(LANES<T>, k - i);
        for (int v = 0; v < VECTORS; v++) {
            const T* const* from = columns + j + v * LANES<T>;
            Vector<T> block[LANES<T>];
            for (int64_t n = 0; n < LANES<T>; n++) block[n] = from[n] ? load(from[n] + i, left) : Vector<T>{};
            transpose<T>(block);
            for (int64_t n = 0; n < left; n++)
                for (int r = 0; r < ROWS; r++) sum[r][v] = multiply_add(all<T>(a[r][i + n]), block[n], sum[r][v]);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) store(c[r] + j + v * LANES<T>, sum[r][v]);
}

// The same product for a few rows, and a B that is not packed: its columns as they stand, [columns] pointers to K
// elements, or null for zeros. Whole vectors of columns, from `first` to `last`; C begins with C0.
template <class T, int ROWS>
void add_unpacked(const T* const* a, int64_t k, const T* const* columns, int64_t first, int64_t last, T* const* c) {
    constexpr int VECTORS = 2;  // of independent sums: one alone waits for itself most of the time
    int64_t j = first;
    for (; j + VECTORS * LANES<T> <= last; j += VECTORS * LANES<T>) unpacked_tile<T, ROWS, VECTORS>(a, k, columns, j, c);
    for (; j < last; j += LANES<T>) unpacked_tile<T, ROWS, 1>(a, k, columns, j, c);
}

}  // namespace elman
