/* idle.c - the modes idle and pings: clients that only cost memory. They say when they are there, and wait to be told to go. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "modes.h"
#include "payload.h"
#include "socketio.h"

enum { BIG_AT_ONCE = 8, PATIENCE_S = 100, STUCK_S = 2, PING_BYTES = 125, BLOCK = 512 };

static int big_answered;

static void on_answer(client *c, const char *packet, size_t len) {
    if (len < 2 || packet[0] != '3') complain("client %d: got %.40s", c->index, packet);
    big_answered++;
}

static void send_big(client *clients) {
    char *text;
    size_t len = payload_packet(&text, "420[\"big\",", "]");
    uint8_t *bytes = malloc(len + 14);
    len = frame(bytes, TEXT, text, len);
    uint64_t deadline = now_ns() + PATIENCE_S * 1000000000ull;
    for (int sent = 0; big_answered < opt.clients;) {
        for (; sent < opt.clients && sent - big_answered < BIG_AT_ONCE; sent++) {
            conn_send(clients[sent].conn, bytes, len);
            conn_flush(clients[sent].conn);
        }
        loop_turn(100);
        if (errors || now_ns() > deadline) {
            fprintf(stderr, "only %d of %d large events were answered\n", big_answered, opt.clients);
            exit(1);
        }
    }
}

static void hold(void) {
    fflush(stdout);
    while (!loop_told()) loop_turn(1000);
}

void mode_idle(void) {
    client *clients = calloc(opt.clients, sizeof *clients);
    for (int i = 0; i < opt.clients; i++) clients[i].on_packet = on_answer;
    clients_connect(clients, opt.clients);
    if (opt.big) send_big(clients);
    printf("{\"mode\": \"idle\", \"clients\": %d, \"errors\": %ld}\n", opt.clients, errors);
    hold();
}

/* Ends when all is sent, when the server has closed, or when it has read nothing for a while: all three bound its memory. */
void mode_pings(void) {
    static client c;
    static char nothing[PING_BYTES];
    static uint8_t block[BLOCK * (PING_BYTES + 6)];
    size_t len = 0;
    for (int i = 0; i < BLOCK; i++) len += frame(block + len, PING, nothing, PING_BYTES);
    clients_connect(&c, 1);
    conn_deafen(c.conn);
    long sent = 0;
    uint64_t progress = now_ns();
    c.state = CLOSING; /* the server may close it: no error */
    while (c.conn && sent < opt.bytes && now_ns() - progress < STUCK_S * 1000000000ull) {
        if (!c.conn->waiting) {
            conn_send(c.conn, block, len);
            conn_flush(c.conn);
            sent += len;
            progress = now_ns();
        }
        loop_turn(c.conn->waiting ? 100 : 0);
    }
    const char *outcome = !c.conn ? "closed" : sent >= opt.bytes ? "sent" : "stuck";
    printf("{\"mode\": \"pings\", \"sent\": %ld, \"outcome\": \"%s\", \"errors\": %ld}\n", sent, outcome, errors);
    hold();
}
