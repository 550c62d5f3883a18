/* main.c - the load generator's command line. `load MODE --port P [--pid P] ...` prints one JSON line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "measure.h"
#include "modes.h"

options opt = {.clients = 100, .inflight = 1, .seconds = 2, .warmup = 1};

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"broadcast", mode_broadcast}, {"echo", mode_echo}, {"ack", mode_ack},     {"connect", mode_connect},
    {"polling", mode_polling},     {"visit", mode_visit}, {"idle", mode_idle}, {"pings", mode_pings},
};

static void parse(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'},    {"pid", 1, 0, 'P'},    {"clients", 1, 0, 'c'}, {"inflight", 1, 0, 'k'}, {"seconds", 1, 0, 's'},
        {"warmup", 1, 0, 'w'}, {"slow", 1, 0, 'S'}, {"big", 0, 0, 'b'},     {"bytes", 1, 0, 'B'},
        {"rate", 1, 0, 'r'},   {"crossing", 0, 0, 'x'}, {"astray", 0, 0, 'a'},
        {"everywhere", 0, 0, 'e'}, {0},
    };
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (o) {
        case 'p': if (opt.port_count < MAX_PIDS) opt.ports[opt.port_count++] = atoi(optarg); break;
        case 'P': if (opt.pid_count < MAX_PIDS) opt.pids[opt.pid_count++] = atoi(optarg); break;
        case 'c': opt.clients = atoi(optarg); break;
        case 'k': opt.inflight = atoi(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'w': opt.warmup = atof(optarg); break;
        case 'S': opt.slow = atoi(optarg); break;
        case 'b': opt.big = 1; break;
        case 'r': opt.rate = atof(optarg); break;
        case 'x': opt.crossing = 1; break;
        case 'a': opt.astray = 1; break;
        case 'e': opt.everywhere = 1; break;
        case 'B': opt.bytes = atol(optarg); break;
        default: exit(2);
        }
    }
    if (!opt.port_count || opt.clients < 1 || opt.inflight < 1 || opt.inflight > 32 || opt.slow >= opt.clients) {
        fprintf(stderr, "load MODE --port PORT: at least one port and client, 1 to 32 in flight, fewer slow than all\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[1], modes[i].name)) continue;
        opt.mode = argv[1];
        parse(argc - 1, argv + 1);
        loop_start();
        modes[i].run();
        return 0;
    }
    fprintf(stderr, "load broadcast|echo|ack|connect|polling|visit|idle|pings --port PORT\n");
    return 2;
}
