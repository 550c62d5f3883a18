/* measure.c - see measure.h. */
#define _GNU_SOURCE
#include "measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "loop.h"

/* Latencies fall into buckets of 1/64 of their power of two: 1.6 % wide at most. */
enum { FINE = 64, BUCKETS = 64 * FINE };

long errors;
static bool open_window;
static uint64_t events, buckets[BUCKETS], next_at;
void (*at_rate)(void);

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void complain(const char *format, ...) {
    if (++errors > 5) return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* All threads of the process, those that ended included, in nanoseconds. */
static uint64_t process_cpu(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t)) {
        fprintf(stderr, "the server (pid %d) is gone\n", pid);
        exit(1);
    }
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int bucket(uint64_t ns) {
    if (ns < FINE) return ns;
    int shift = 63 - __builtin_clzll(ns) - 6;
    return (shift + 1) * FINE + (ns >> shift) - FINE;
}

static double quantile_us(double q) {
    uint64_t seen = 0, want = events * q;
    for (int i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (seen > want) {
            int shift = i / FINE - 1;
            return (i < FINE ? i : (double)((uint64_t)(i % FINE + FINE) << shift)) / 1e3;
        }
    }
    return 0;
}

void delivered(uint64_t sent_at, uint64_t now) {
    if (!open_window) return;
    events++;
    buckets[bucket(now - sent_at)]++;
}

static void run_for(double seconds) {
    uint64_t end = now_ns() + seconds * 1e9;
    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        if (!opt.rate) {
            loop_turn((end - now) / 1000000 + 1);
            continue;
        }
        if (!next_at) next_at = now;
        for (; next_at <= now; next_at += 1e9 / opt.rate) at_rate();
        loop_turn(1); /* the clock of epoll is coarse: what is due within it leaves together */
    }
}

void run_window(void) {
    uint64_t cpu[MAX_PIDS], total = 0;
    run_for(opt.warmup);
    for (int i = 0; i < opt.pid_count; i++) cpu[i] = process_cpu(opt.pids[i]);
    uint64_t own = process_cpu(0), start = now_ns();
    open_window = true;
    run_for(opt.seconds);
    open_window = false;
    double seconds = (now_ns() - start) / 1e9;
    for (int i = 0; i < opt.pid_count; i++) total += cpu[i] = process_cpu(opt.pids[i]) - cpu[i];
    printf("{\"mode\": \"%s\", \"clients\": %d, \"inflight\": %d, \"events\": %lu, \"seconds\": %.6f, ", opt.mode,
           opt.clients, opt.inflight, events, seconds);
    printf("\"server_cpu_us\": %.1f, \"server_cpus_us\": [", total / 1e3);
    for (int i = 0; i < opt.pid_count; i++) printf("%s%.1f", i ? ", " : "", cpu[i] / 1e3);
    printf("], \"load_cpu_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %ld}\n",
           (process_cpu(0) - own) / 1e3, quantile_us(0.5), quantile_us(0.99), errors);
    fflush(stdout);
}
