// A layer's work, and how it is parted among threads. What a call carries is in abi.h, as are the letters.
#pragma once

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "abi.h"
#include "gemm.h"
#include "threads.h"

namespace elman {

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
