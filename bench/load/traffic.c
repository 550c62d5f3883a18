/* traffic.c - the modes broadcast, echo and ack: events over WebSockets that never pause. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "modes.h"
#include "payload.h"
#include "socketio.h"

enum { RING = 64 }; /* more than are ever in flight */

static client *clients;
static char *emission, *expected;
static size_t emission_len, expected_len;
static int readers;

static struct {
    uint64_t sent_at;
    int deliveries;
} broadcasts[RING];
static uint64_t broadcasts_sent;
static int outstanding;

static client *connected(void (*on_packet)(client *, const char *, size_t)) {
    clients = calloc(opt.clients, sizeof *clients);
    for (int i = 0; i < opt.clients; i++) clients[i].on_packet = on_packet;
    clients_connect(clients, opt.clients);
    return clients;
}

static bool matches(client *c, const char *packet, size_t len) {
    if (len == expected_len && !memcmp(packet, expected, len)) return true;
    complain("client %d: got %.*s", c->index, (int)(len < 80 ? len : 80), packet);
    return false;
}

static void broadcast(void) {
    uint64_t number = broadcasts_sent++ % RING;
    broadcasts[number].sent_at = now_ns();
    broadcasts[number].deliveries = 0;
    for (int i = 0; i < (opt.everywhere ? opt.port_count : 1); i++) {
        client_send(&clients[i], emission, emission_len);
        conn_flush(clients[i].conn);
    }
}

/* Broadcasts reach a client in the order of sending, so counting tells which one this is. */
static void on_news(client *c, const char *packet, size_t len) {
    if (!matches(c, packet, len)) return;
    uint64_t number = c->received++ % RING;
    bool counts = !opt.crossing || c->index % opt.port_count;
    if (counts) delivered(broadcasts[number].sent_at, now_ns());
    if (++broadcasts[number].deliveries < readers) return;
    if (opt.rate) outstanding--;
    else broadcast();
}

/* At a fixed rate; what the ring cannot hold is not sent, and said. */
static void broadcast_at_rate(void) {
    if (outstanding == RING) {
        complain("the server is %d broadcasts behind", RING);
        return;
    }
    outstanding++;
    broadcast();
}

void mode_broadcast(void) {
    emission_len = payload_packet(&emission, "42[\"go\",", "]");
    expected_len = payload_packet(&expected, "2[\"news\",", "]");
    connected(on_news);
    readers = opt.clients - opt.slow;
    for (int i = readers; i < opt.clients; i++) {
        clients[i].state = CLOSING; /* a server may put an end to one that does not read: no error */
        conn_deafen(clients[i].conn);
    }
    at_rate = broadcast_at_rate;
    for (int i = 0; !opt.rate && i < opt.inflight; i++) broadcast();
    run_window();
}

static void echo(client *c, uint64_t now) {
    c->sent_at[c->sent++ % RING] = now;
    client_send(c, emission, emission_len);
}

static void on_echo(client *c, const char *packet, size_t len) {
    if (!matches(c, packet, len)) return;
    uint64_t now = now_ns();
    delivered(c->sent_at[c->received++ % RING], now);
    echo(c, now);
}

void mode_echo(void) {
    emission_len = payload_packet(&emission, "42[\"echo\",", "]");
    expected_len = payload_packet(&expected, "2[\"echo\",", "]");
    connected(on_echo);
    for (int i = 0; i < opt.clients; i++) {
        for (int k = 0; k < opt.inflight; k++) echo(&clients[i], now_ns());
        conn_flush(clients[i].conn);
    }
    run_window();
}

/* "42" + id + the rest of the packet. */
static void ask(client *c, uint64_t now) {
    static char *packet;
    if (!packet) packet = malloc(emission_len + 32);
    int n = sprintf(packet, "42%lu", c->sent);
    memcpy(packet + n, emission, emission_len);
    c->sent_at[c->sent++ % RING] = now;
    client_send(c, packet, n + emission_len);
}

static void on_ack(client *c, const char *packet, size_t len) {
    char *rest = (char *)packet;
    uint64_t id = strtoul(packet + 1, &rest, 10);
    size_t head = rest - packet;
    if (packet[0] != '3' || head >= len || !matches(c, rest, len - head)) return;
    uint64_t now = now_ns();
    delivered(c->sent_at[id % RING], now);
    ask(c, now);
}

void mode_ack(void) {
    emission_len = payload_packet(&emission, "[\"ack\",", "]");
    expected_len = payload_packet(&expected, "[", "]");
    connected(on_ack);
    for (int i = 0; i < opt.clients; i++) {
        for (int k = 0; k < opt.inflight; k++) ask(&clients[i], now_ns());
        conn_flush(clients[i].conn);
    }
    run_window();
}
