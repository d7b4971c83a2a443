// Work shared among threads: torch's own OpenMP team where it was found, so that no second pool fights it for the
// cores; threads started for the call where not.
//
// What a thread computes may depend on its part of the work alone, never on who else works or when, so the number
// of threads changes no bit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace elman {

// libgomp's entry points: run work(data) in a team, and in it the thread's number and the team's size.
struct OpenMP {
    void (*run)(void (*work)(void*), void* data, unsigned threads, unsigned flags);
    int (*number)();
    int (*size)();
};
inline OpenMP openmp = {};

// Calls work(i, n) for every i < n, each in a thread of its own and all at once; n is `threads`, or fewer where
// there are no more. Throws std::bad_alloc if one of them did.
template <class Work>
void together(int64_t threads, const Work& work) {
    std::atomic<bool> failed{false};
    const auto run = [&](int64_t i, int64_t n) {
        try {
            work(i, n);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
    };
    if (threads <= 1) {
        run(0, 1);
    } else if (openmp.run) {
        const auto member = [](void* data) { (*static_cast<decltype(&run)>(data))(openmp.number(), openmp.size()); };
        openmp.run(member, const_cast<void*>(static_cast<const void*>(&run)), unsigned(threads), 0);
    } else {
        std::vector<std::thread> others;
        for (int64_t i = 1; i < threads; i++) others.emplace_back(run, i, threads);
        run(0, threads);
        for (std::thread& other : others) other.join();
    }
    if (failed) throw std::bad_alloc();
}

// Calls work(i) once for every i < count, in any order and any thread.
template <class Work>
void parallel(int64_t threads, int64_t count, const Work& work) {
    std::atomic<int64_t> next{0};
    together(threads < count ? threads : count, [&](int64_t, int64_t) {
        for (int64_t i; (i = next++) < count;) work(i);
    });
}

// Where the threads that share sequences wait for each other between steps. A wait is a fraction of a microsecond
// while all of them have a core. One that lasts sleeps: its core is wanted by others, perhaps by those it waits for.
class Meeting {
    static constexpr int SPINS = 2000;  // some 50 microseconds

    std::atomic<int64_t> arrivals{0};
    std::atomic<int> sleepers{0};
    std::atomic<bool> broken{false};
    std::mutex mutex;
    std::condition_variable changed;

    void wake() {
        if (sleepers == 0) return;
        std::lock_guard<std::mutex> lock(mutex);
        changed.notify_all();
    }

   public:
    // Returns when all `n` threads have called it as often as this one; `expected` is the caller's own count.
    // Throws std::bad_alloc if one of them left.
    void wait(int64_t n, int64_t& expected) {
        expected += n;
        if (arrivals.fetch_add(1) + 1 == expected) return wake();
        const auto over = [&] { return broken || arrivals >= expected; };
        for (int spins = 0; spins < SPINS && !over(); spins++) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        if (!over()) {
            // Counted before it looks again: who arrives last sees either the sleeper or no need of it.
            std::unique_lock<std::mutex> lock(mutex);
            sleepers++;
            changed.wait(lock, over);
            sleepers--;
        }
        if (broken) throw std::bad_alloc();
    }
    void leave() {
        broken = true;
        wake();
    }
};

}  // namespace elman
