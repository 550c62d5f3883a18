/* measure.h - what is counted during the window, and the one JSON line that says it.
 * The server's CPU is read by the same process that counts the events, so both belong to the same window. */
#ifndef MEASURE_H
#define MEASURE_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_PIDS = 8 };

typedef struct {
    const char *mode;
    int ports[MAX_PIDS], port_count; /* client i connects to ports[i % port_count] */
    pid_t pids[MAX_PIDS];            /* whose CPU is reported */
    int pid_count;
    int clients, inflight, slow, big, crossing, everywhere, astray;
    double seconds, warmup;
    double rate; /* broadcasts a second, whether or not the last one is delivered; 0: as opt.inflight allows */
    long bytes;  /* of a payload, or of pings */
} options;

extern options opt;
extern long errors; /* anything that the protocol does not foresee; each is reported on stderr, a few times */

uint64_t now_ns(void);
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void delivered(uint64_t sent_at, uint64_t now); /* counts only while the window is open */
void run_window(void);                          /* warms up, opens the window, closes it, prints */
extern void (*at_rate)(void);                   /* called opt.rate times a second while run_window runs */
#endif
