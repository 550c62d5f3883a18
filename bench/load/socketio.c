/* socketio.c - see socketio.h. */
#define _GNU_SOURCE
#include "socketio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { AT_ONCE = 100, PATIENCE_S = 60 };

static int ready_count;

size_t frame(uint8_t *to, int opcode, const char *payload, size_t len) {
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d}; /* any will do: no proxy is to be protected here */
    size_t at = 0;
    to[at++] = 0x80 | opcode;
    if (len < 126) {
        to[at++] = 0x80 | len;
    } else if (len < 65536) {
        to[at++] = 0x80 | 126;
        to[at++] = len >> 8;
        to[at++] = len;
    } else {
        to[at++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) to[at++] = (uint64_t)len >> shift;
    }
    memcpy(to + at, key, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) to[at + i] = payload[i] ^ key[i & 3];
    return at + len;
}

void client_send(client *c, const char *text, size_t len) {
    static uint8_t *bytes;
    static size_t cap;
    if (cap < len + 14) bytes = realloc(bytes, cap = len + 14);
    conn_send(c->conn, bytes, frame(bytes, TEXT, text, len));
}

void client_close(client *c) {
    uint8_t bytes[16];
    c->state = CLOSING;
    conn_send(c->conn, bytes, frame(bytes, CLOSE, "\x03\xe9", 2)); /* 1001: going away */
}

static void message(client *c, const char *text, size_t len) {
    if (len == 1 && text[0] == '2') {
        client_send(c, "3", 1);
    } else if (c->state == OPEN && text[0] == '0') {
        c->state = CONNECT;
        client_send(c, "40", 2);
    } else if (c->state == CONNECT && len > 2 && text[0] == '4' && text[1] == '0') {
        c->state = READY;
        ready_count++;
        if (c->on_ready) c->on_ready(c);
    } else if (c->state == READY && len > 2 && text[0] == '4' && c->on_packet) {
        c->on_packet(c, text + 1, len - 1);
    } else if (c->state != CLOSING) {
        complain("client %d: unexpected %.*s", c->index, (int)(len < 80 ? len : 80), text);
    }
}

static size_t frames(client *c, const uint8_t *bytes, size_t len) {
    size_t at = 0;
    while (len - at >= 2) {
        const uint8_t *head = bytes + at;
        uint64_t size = head[1] & 0x7f;
        size_t start = 2;
        if (size == 126) {
            if (len - at < 4) break;
            size = head[2] << 8 | head[3];
            start = 4;
        } else if (size == 127) {
            if (len - at < 10) break;
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | head[i];
            start = 10;
        }
        if (len - at < start + size) break;
        at += start + size;
        int opcode = head[0] & 0x0f;
        if (head[0] == (0x80 | TEXT)) message(c, (const char *)head + start, size);
        else if (opcode == CLOSE && c->state != CLOSING) complain("client %d: closed by the server", c->index);
        else if (opcode < CLOSE) complain("client %d: a frame begins with %02x", c->index, head[0]);
    }
    return at;
}

static size_t on_data(conn *conn, const uint8_t *bytes, size_t len) {
    client *c = conn->owner;
    if (c->state != HEAD) return frames(c, bytes, len);
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(bytes, "HTTP/1.1 101", 12)) complain("client %d: %.40s", c->index, bytes);
    c->state = OPEN;
    size_t head = end + 4 - bytes;
    return head + frames(c, bytes + head, len - head);
}

static void on_close(conn *conn) {
    client *c = conn->owner;
    if (c->state != CLOSING) complain("client %d: lost", c->index);
    c->conn = NULL; /* freed when the turn ends */
    if (c->on_gone) c->on_gone(c);
}

void client_open(client *c, int receive_bytes) {
    char head[512];
    int port = opt.ports[c->index % opt.port_count];
    c->state = HEAD;
    c->opened_at = now_ns();
    c->conn = conn_open(port, c->index, receive_bytes, c);
    c->conn->on_data = on_data;
    c->conn->on_close = on_close;
    int n = snprintf(head, sizeof head,
                     "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept-Language: en\r\nCache-Control: no-cache\r\n"
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                     port);
    conn_send(c->conn, head, n);
}

void clients_connect(client *clients, int count) {
    uint64_t deadline = now_ns() + PATIENCE_S * 1000000000ull;
    int opened = 0, slow_from = count - opt.slow;
    ready_count = 0;
    while (ready_count < count) {
        for (; opened < count && opened - ready_count < AT_ONCE; opened++) {
            clients[opened].index = opened;
            client_open(&clients[opened], opened >= slow_from ? 4096 : 0);
        }
        loop_turn(100);
        if (errors || now_ns() > deadline) {
            fprintf(stderr, "only %d of %d clients connected\n", ready_count, count);
            exit(1);
        }
    }
}
