// Vectors of numbers: the one file that knows of instruction sets.
//
// Vectors are the compiler's own (GCC and Clang have + - * / < ?: on them); only the fused multiply-add, on which
// the speed of every product hangs, is an intrinsic. Nothing here depends on which elements share a vector, and
// the compiler may not contract or reorder (-ffp-contract=off), so an element's value is the same in every
// place of every vector.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace elman {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
constexpr int TILE_ROWS = 8;  // rows of a tile of accumulators; with 2 vectors in each it fills the registers
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int VECTOR_BYTES = 32;
constexpr int TILE_ROWS = 6;
#elif defined(__aarch64__)
constexpr int VECTOR_BYTES = 16;
constexpr int TILE_ROWS = 8;
#else
constexpr int VECTOR_BYTES = 16;
constexpr int TILE_ROWS = 6;
#endif

typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef double Doubles __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t Longs __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t UnsignedInts __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t UnsignedLongs __attribute__((vector_size(VECTOR_BYTES)));

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef Floats type;
    typedef Ints bits;
    typedef UnsignedInts unsigned_bits;
};
template <>
struct VectorOf<double> {
    typedef Doubles type;
    typedef Longs bits;
    typedef UnsignedLongs unsigned_bits;
};

template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
using Bits = typename VectorOf<T>::bits;  // the same bytes as integers; comparisons give these too
template <class T>
using Unsigned = typename VectorOf<T>::unsigned_bits;  // where a sum may overflow
template <class T>
constexpr int LANES = VECTOR_BYTES / sizeof(T);

#define ELMAN_INLINE inline __attribute__((always_inline))
#define ELMAN_LAMBDA __attribute__((always_inline))

template <class T>
ELMAN_INLINE Vector<T> load(const T* from) {
    Vector<T> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class T>
ELMAN_INLINE void store(T* to, Vector<T> v) {
    std::memcpy(to, &v, sizeof v);
}

// The first `count` elements; the others are 0 and are not read.
template <class T>
ELMAN_INLINE Vector<T> load(const T* from, int64_t count) {
    if (count >= LANES<T>) return load(from);
    Vector<T> v = {};
    std::memcpy(&v, from, count * sizeof(T));
    return v;
}

template <class T>
ELMAN_INLINE void store(T* to, Vector<T> v, int64_t count) {
    if (count >= LANES<T>) return store(to, v);
    std::memcpy(to, &v, count * sizeof(T));
}

// The first `count` elements, and 0 for the others.
template <class T>
ELMAN_INLINE Vector<T> first_of(Vector<T> v, int64_t count) {
    if (count >= LANES<T>) return v;
    T elements[LANES<T>];
    store(elements, v);
    return load(elements, count);
}

// work(j, count) for every vector of the elements from `first` to `last`; the last one may have fewer than LANES.
template <class T, class Work>
ELMAN_INLINE void for_units(int64_t first, int64_t last, const Work& work) {
    int64_t j = first;
    for (; j + LANES<T> <= last; j += LANES<T>) work(j, LANES<T>);
    if (j < last) work(j, last - j);
}

template <class T>
ELMAN_INLINE Vector<T> all(T value) {
    return value - Vector<T>{};  // which the compiler makes one broadcast; -0 and not a number stay
}

// Units of `unit` elements of a and b in turn, in each span of `span` elements: a half of a's in it, from its `first`
// element on, and the same half of b's.
template <class T, int unit, int span, int first, int... I>
ELMAN_INLINE Vector<T> zip(Vector<T> a, Vector<T> b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(
        a, b, (I / span * span + first + I % span / (2 * unit) * unit + I % unit + I / unit % 2 * LANES<T>)...);
#else
    return __builtin_shuffle(
        a, b, Bits<T>{(I / span * span + first + I % span / (2 * unit) * unit + I % unit + I / unit % 2 * LANES<T>)...});
#endif
}

// Of span / unit rows that are `apart`, the units in each span of elements change places with the rows. The number of a
// unit has the bits of its row, then those of its column; to zip each row with the one half of all rows further on turns
// these bits by one place.
template <class T, int unit, int span>
ELMAN_INLINE void exchange_units(Vector<T>* rows, int apart) {
    constexpr int SIZE = span / unit, HALF = SIZE / 2;
    constexpr auto lanes = std::make_integer_sequence<int, LANES<T>>();
    for (int turns = 1; turns < SIZE; turns *= 2) {
        Vector<T> turned[SIZE];
        for (int i = 0; i < HALF; i++) {
            const Vector<T> a = rows[i * apart], b = rows[(i + HALF) * apart];
            turned[2 * i] = zip<T, unit, span, 0>(a, b, lanes);
            turned[2 * i + 1] = zip<T, unit, span, span / 2>(a, b, lanes);
        }
        for (int i = 0; i < SIZE; i++) rows[i * apart] = turned[i];
    }
}

// Rows become columns: first within squares of 16 bytes a side, whose elements machines zip fastest, then the squares.
template <class T>
ELMAN_INLINE void transpose(Vector<T> (&rows)[LANES<T>]) {
    constexpr int SQUARE = 16 / sizeof(T);
    for (int i = 0; i < LANES<T>; i += SQUARE) exchange_units<T, 1, SQUARE>(rows + i, 1);
    for (int i = 0; i < SQUARE; i++) exchange_units<T, SQUARE, LANES<T>>(rows + i, SQUARE);
}

// a * b + c, rounded once where the machine can.
ELMAN_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

ELMAN_INLINE Doubles multiply_add(Doubles a, Doubles b, Doubles c) {
#if defined(__AVX512F__)
    return (Doubles)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (Doubles)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    return (Doubles)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

}  // namespace elman
