// The C ABI: cells x loops x {float, double}. This file is compiled once for each instruction set, into a library
// of its own, of which elman/nn/kernels.py loads the best that the machine can run.
#include "backpropagation_through_time.h"
#include "cells/gru.h"
#include "cells/lstm.h"
#include "cells/rnn.h"
#include "forward_propagation.h"
#include "packing.h"
#include "streaming.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace elman {
namespace {

enum Status { OK, OUT_OF_MEMORY, INVALID };

template <class Work>
int status_of(const Work& work) {
    try {
        work();
        return OK;
    } catch (const std::bad_alloc&) {
        return OUT_OF_MEMORY;
    } catch (const std::invalid_argument&) {
        return INVALID;
    }
}

constexpr int64_t NEAR = 384 * 1024;  // bytes that a core keeps in a cache of its own
constexpr int64_t FEW = 8;            // sequences a thread that do not repay fetching weights from farther away

// Calls work(way) for the ways of a layer, in as many threads as it may use.
//
// Each direction's sequences are dealt out to the threads, who then need not wait for each other. Where there are so
// few that every thread would fetch all weights from afar for them, the threads share the sequences instead: each
// has some units of h, and with these a part of the weights that stays near.
template <class Cell, class T, class Work>
void for_ways(const ElmanLayer& layer, const Batch& batch, const Work& work) {
    const Packing<Cell, T> p(layer.input, layer.hidden);
    const int64_t threads = ceiling(layer.threads, layer.directions);
    const int64_t bytes = p.columns * p.hidden * sizeof(T), panels = p.wide / PANEL<T>;
    const bool far = bytes > NEAR && layer.batch <= FEW * threads;
    const bool idle = layer.batch < threads && bytes > NEAR / 4;
    if (threads > 1 && p.wide % PANEL<T> == 0 && panels >= layer.threads && (far || idle)) {
        for (int64_t i = 0; i < layer.directions; i++) {
            Meeting meeting;
            together(layer.threads, [&](int64_t part, int64_t parts) {
                const int64_t unit = panels * part / parts * PANEL<T>, last = panels * (part + 1) / parts * PANEL<T>;
                try {
                    work(Way{batch, layer.direction[i], 0, 1, unit, last, &meeting, parts});
                } catch (...) {
                    meeting.leave();
                    throw;
                }
            });
        }
        return;
    }
    const int64_t stride = std::max<int64_t>(1, std::min(layer.batch, threads));
    parallel(layer.threads, stride * layer.directions, [&](int64_t i) {
        work(Way{batch, layer.direction[i % layer.directions], i / layer.directions, stride, 0, p.wide});
    });
}

// The threads that a layer's work repays: to call others costs a microsecond, and many where their cores are busy.
template <class Cell, class T>
int64_t useful_threads(const ElmanLayer& layer) {
    constexpr int64_t LITTLE = 1 << 20, PACKING = 2, POINTWISE = 64;  // products; a row's of them that these two are worth
    const int64_t columns = Packing<Cell, T>(layer.input, layer.hidden).columns * layer.directions;
    const int64_t depth = layer.hidden + POINTWISE + (layer.symbols ? 0 : layer.input);
    return (layer.rows + PACKING) * columns * depth < LITTLE ? 1 : layer.threads;
}

// Asks for pages of 2 MB where new memory is about to be written: to be given it in pages of 4 KB costs more time.
template <class T>
void prefer_large_pages(void* begin, int64_t elements) {
#if defined(__linux__)
    constexpr uintptr_t PAGE = 2 << 20;
    const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + PAGE - 1) / PAGE * PAGE;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + elements * sizeof(T)) / PAGE * PAGE;
    if (begin && first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

template <class Cell, class T>
void forward(ElmanLayer layer) {
    layer.threads = useful_threads<Cell, T>(layer);
    const Batch batch(layer);
    const Packing<Cell, T> p(layer.input, layer.hidden);
    for (int64_t i = 0; i < layer.directions; i++) {
        prefer_large_pages<T>(layer.direction[i].gates, layer.rows * p.gates());
        prefer_large_pages<T>(layer.direction[i].cells, layer.rows * p.wide);
    }
    if (layer.directions > 0) prefer_large_pages<T>(layer.direction[0].outputs, layer.rows * layer.width);
    if (layer.directions > 0 && !layer.direction[0].forward) {
        if (batch.steps != 1 || layer.rows > UNPACKED) throw std::invalid_argument("forward");
        for (int64_t i = 0; layer.rows > 0 && i < layer.directions; i++)
            forward_one_step<Cell, T>(layer, batch, layer.direction[i]);
        return;
    }
    if (!layer.packed) pack<Cell, T>(layer);
    for_ways<Cell, T>(layer, batch, [&](const Way& way) { forward_propagation<Cell, T>(layer, way); });
}

template <class Cell, class T>
void backward(ElmanLayer layer) {
    layer.threads = useful_threads<Cell, T>(layer);
    const Batch batch(layer);
    const Packing<Cell, T> p(layer.input, layer.hidden);
    for (int64_t i = 0; i < layer.directions; i++)
        prefer_large_pages<T>(layer.direction[i].dgates, layer.rows * p.gates());
    if (!layer.packed) pack_back<Cell, T>(layer);
    for_ways<Cell, T>(layer, batch, [&](const Way& way) { backpropagation_through_time<Cell, T>(layer, way); });
    // The weights' gradients are few large parts, and come first; dx is many small ones that fill up the end.
    const int64_t parts = std::min(layer.threads, layer.hidden), large = layer.directions * parts;
    const int64_t small = layer.dx ? ceiling(layer.rows, SPAN) : 0;
    parallel(layer.threads, large + small, [&](int64_t i) {
        if (i >= large) {
            const int64_t first = (i - large) * SPAN;
            return input_gradient<Cell, T>(layer, first, std::min(layer.rows, first + SPAN));
        }
        const int64_t part = i % parts;
        const Way way{batch, layer.direction[i / parts], 0, 1, 0, layer.hidden};
        weight_gradients<Cell, T>(layer, way, layer.hidden * part / parts, layer.hidden * (part + 1) / parts);
    });
}

// What the caller must make room for, in elements.
template <class Cell, class T>
void sizes(int64_t input, int64_t hidden, ElmanSizes* out) {
    const Packing<Cell, T> p(input, hidden);
    *out = {Cell::RECORDS ? p.gates() : 0, Cell::MEMORY ? p.wide : 0, p.gates(), p.forward_size(), p.back_size()};
}

}  // namespace
}  // namespace elman

#define KERNELS(NAME, CELL, T)                                                                                  \
    void elman_##NAME##_##T##_sizes(int64_t input, int64_t hidden, ElmanSizes* out) {                           \
        elman::sizes<elman::CELL<T>, T>(input, hidden, out);                                                    \
    }                                                                                                           \
    int elman_##NAME##_##T##_pack(const ElmanLayer* layer) {                                                    \
        return elman::status_of([=] { elman::pack<elman::CELL<T>, T>(*layer); });                               \
    }                                                                                                           \
    int elman_##NAME##_##T##_forward(const ElmanLayer* layer) {                                                 \
        return elman::status_of([=] { elman::forward<elman::CELL<T>, T>(*layer); });                            \
    }                                                                                                           \
    int elman_##NAME##_##T##_backward(const ElmanLayer* layer) {                                                \
        return elman::status_of([=] { elman::backward<elman::CELL<T>, T>(*layer); });                           \
    }                                                                                                           \
    int elman_##NAME##_##T##_step(ElmanRoom* room, int number) {                                                \
        return elman::status_of([=] { elman::step_stack<elman::CELL<T>, T>(*room, number); });                  \
    }

#define KERNELS_OF(NAME, CELL) KERNELS(NAME, CELL, float) KERNELS(NAME, CELL, double)

#pragma GCC visibility push(default)
extern "C" {

// The team of threads to use (see threads.h); all null for threads of our own.
void elman_use_openmp(void* run, void* number, void* size) {
    elman::openmp = {reinterpret_cast<decltype(elman::openmp.run)>(run), reinterpret_cast<int (*)()>(number),
                     reinterpret_cast<int (*)()>(size)};
}

// By which a caller knows that its structures are those of this library.
int64_t elman_bytes_of_layer() { return sizeof(ElmanLayer); }
int64_t elman_bytes_of_room() { return sizeof(ElmanRoom); }

KERNELS_OF(rnn_tanh, TanhRNN)
KERNELS_OF(rnn_relu, ReluRNN)
KERNELS_OF(gru, GRU)
KERNELS_OF(lstm, LSTM)

void elman_sigmoid_float(float* x, int64_t n) { elman::apply<float>(x, n, [](auto v) { return elman::sigmoid<float>(v); }); }
void elman_sigmoid_double(double* x, int64_t n) { elman::apply<double>(x, n, [](auto v) { return elman::sigmoid<double>(v); }); }
void elman_tanh_float(float* x, int64_t n) { elman::apply<float>(x, n, [](auto v) { return elman::tanh<float>(v); }); }
void elman_tanh_double(double* x, int64_t n) { elman::apply<double>(x, n, [](auto v) { return elman::tanh<double>(v); }); }
}
#pragma GCC visibility pop
