// What a call carries: a packed batch, the weights of one layer in one or two directions, and room for results.
//
// This is the C ABI; elman/nn/kernels.py has the same structures, field for field. Letters: T steps, B sequences,
// N real steps of the batch, I input, H hidden, G gates; S sections of a row of gates and h = H
// rounded up to whole vectors (see `sizes`). All arrays are row by row without gaps; T below is float or double.
// Nothing may overlap unless it says so. All memory is the caller's; what is needed besides is allocated inside.
#pragma once

#include <cstdint>

extern "C" {

struct ElmanDirection {
    int64_t reverse;  // whether it goes from right to left
    // Weights as torch has them, [G*H, I], [G*H, H], [G*H] twice (both null without bias).
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
    int64_t dstate;              // whether the gradient of the initial state is wanted; dh and dc mean nothing behind if not
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

}  // namespace elman
