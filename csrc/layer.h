// What a call carries: a packed batch, the weights of one layer in one or two directions, and room for results.
//
// This is the C ABI; elman/nn/kernels.py has the same structures, field for field. Letters: T steps, B sequences,
// N real steps of the batch, I input, H hidden, G gates; S sections of a row of gates and h = H
// rounded up to whole vectors (see `sizes`). All arrays are row by row without gaps; T below is float or double.
// Nothing may overlap unless it says so. All memory is the caller's; what is needed besides is allocated inside.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gemm.h"
#include "threads.h"

extern "C" {

struct ElmanDirection {
    int64_t reverse;  // whether it goes from right to left
    // Weights as torch has them, [G*H, I], [G*H, H], [G*H] twice (both null without bias); read only to be packed.
    const void *w_ih, *w_hh, *b_ih, *b_hh;
    // Room for the same, packed for forward propagation and for backpropagation (see `packed` below). Where a layer has
    // a single step of at most UNPACKED sequences, `forward` is null: nothing is packed for that.
    void *forward, *back;
    void* outputs;  // [N, H], with rows `width` apart
    // [B, H]: before forward propagation the initial state, behind it the final one. A sequence of length 0 keeps
    // it. With `recompute` it is only read. Null c for a cell without memory.
    void *h, *c;
    // [N, S*h] gates and [N, h] memory of every step: written by forward propagation unless null, read by
    // backpropagation. Always null for a cell that keeps none.
    void *gates, *cells;
    const void* doutputs;  // [N, H], with rows `width` apart; null for none
    // [B, H]: before backpropagation the gradient of the final state, behind it that of the initial one.
    void *dh, *dc;
    void* dgates;  // [N, S*h]: the gradient of the gates' sums; scratch of backpropagation
    // Gradients of the weights, as torch has these; null if not wanted.
    void *dw_ih, *dw_hh, *db_ih, *db_hh;
};

struct ElmanLayer {
    int64_t steps, rows, batch, input, hidden, width, threads;  // T, N, B, I, H
    const int64_t* batch_sizes;  // [T] sequences alive at each step, never growing; the first may be less than B
    const void* x;               // [N, I], or null
    const int64_t* symbols;      // [N] in place of x: the places of the ones of one-hot vectors, 0 .. I-1
    void* dx;                    // [N, I]; null if not wanted
    int64_t add_dx, add_dw;      // whether backpropagation adds to dx and to the weights' gradients, or writes them anew
    int64_t packed;  // whether an earlier call has packed the weights that this one needs
    // The outputs are known, only gates and cells are to be found again: all products at once, then the cell.
    int64_t recompute;
    int64_t directions;
    ElmanDirection direction[2];  // which may not share an output
};

struct ElmanSizes {
    int64_t gates, cells, dgates;  // of a row; 0 where the array is not used
    int64_t forward, back;         // of a direction's packed weights
};
}

namespace elman {

constexpr int64_t UNPACKED = 4;  // sequences of a single step whose weights are not packed
constexpr int64_t SPAN = 128;  // rows whose input products are taken together: enough to be fast, few enough to stay near

// Memory that starts at a cache line.
template <class T>
struct Buffer {
    T* data;
    explicit Buffer(int64_t size) : data(static_cast<T*>(std::aligned_alloc(64, ceiling(size * sizeof(T) + 1, 64) * 64))) {
        if (!data) throw std::bad_alloc();
    }
    T* release() { return std::exchange(data, nullptr); }
    ~Buffer() { std::free(data); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
};

// The same on the stack while it is small: to ask for memory takes a good part of a small step's time.
template <class T, int64_t SMALL>
struct SmallBuffer {
    alignas(64) T small[SMALL];
    T* data;
    explicit SmallBuffer(int64_t size) : data(size <= SMALL ? small : Buffer<T>(size).release()) {}
    ~SmallBuffer() {
        if (data != small) std::free(data);
    }
    SmallBuffer(const SmallBuffer&) = delete;
    SmallBuffer& operator=(const SmallBuffer&) = delete;
};

template <class T>
constexpr int64_t padded(int64_t hidden) {
    return ceiling(hidden, LANES<T>) * LANES<T>;
}

// A packed batch: step t holds its first sizes[t] sequences from row start[t] on.
struct Batch {
    int64_t steps;
    const int64_t* sizes;
    std::vector<int64_t> start;  // [T]

    // Throws std::invalid_argument where following the sizes or the symbols would lead out of the arrays.
    explicit Batch(const ElmanLayer& layer) : steps(layer.steps), sizes(layer.batch_sizes), start(layer.steps) {
        int64_t rows = 0, most = layer.batch;
        for (int64_t t = 0; t < steps; t++) {
            if (sizes[t] < 0 || sizes[t] > most) throw std::invalid_argument("batch_sizes");
            start[t] = rows;
            rows += most = sizes[t];
        }
        if (rows != layer.rows) throw std::invalid_argument("batch_sizes");
        for (int64_t n = 0; layer.symbols && n < rows; n++)
            if (layer.symbols[n] < 0 || layer.symbols[n] >= layer.input) throw std::invalid_argument("symbols");
    }
};

// The way of one direction through time for a part of a layer's work: every `stride`-th sequence from `first` on
// (dealt out like cards, for they are sorted by length, and each part should have long ones and short ones), and the
// units from `unit` to `last_unit` of a row of h. A way without all units waits at each step for the others.
struct Way {
    const Batch& batch;
    const ElmanDirection& direction;
    int64_t first, stride, unit, last_unit;
    Meeting* meeting = nullptr;
    int64_t ways_that_meet = 1;

    // The i-th step of the way in time; -1 for those before the first and behind the last.
    int64_t time(int64_t i) const {
        if (i < 0 || i >= batch.steps) return -1;
        return direction.reverse ? batch.steps - 1 - i : i;
    }
    // How many sequences of this part are alive at time t; they are its first ones.
    int64_t alive(int64_t t) const {
        return t < 0 || batch.sizes[t] <= first ? 0 : ceiling(batch.sizes[t] - first, stride);
    }
    int64_t sequence(int64_t member) const { return first + member * stride; }
    int64_t row(int64_t t, int64_t member) const { return batch.start[t] + sequence(member); }
};

}  // namespace elman
