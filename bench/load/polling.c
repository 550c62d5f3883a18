/* polling.c - the mode polling: echo over HTTP long-polling. Each client keeps two connections, as a browser
 * does: one on which a GET always waits, one for its POSTs. And the mode visit: come, join "/", leave, again.
 * With opt.astray what follows the handshake goes to another server than the one that has the session. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop.h"
#include "measure.h"
#include "modes.h"
#include "payload.h"

enum { PATIENCE_S = 30 };

typedef struct {
    conn *get, *post;
    int index;
    char sid[64];
    bool connected, posting, pong_due, echo_due, leave_due, left;
    uint64_t sent_at;
} poller;

static bool visiting;
static conn *open_one(poller *p, int port);

static char *emission, *expected;
static size_t emission_len, expected_len;
static int connected_count;

static void request(poller *p, conn *c, const char *method, const char *body, size_t len) {
    char head[512];
    int n = snprintf(head, sizeof head,
                     "%s /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept-Language: en\r\n",
                     method, p->sid[0] ? "&sid=" : "", p->sid);
    conn_send(c, head, n);
    if (body) n = snprintf(head, sizeof head, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n", len);
    else n = snprintf(head, sizeof head, "\r\n");
    conn_send(c, head, n);
    if (body) conn_send(c, body, len);
    conn_flush(c);
}

/* One POST at a time; what became due meanwhile goes with the next. */
static void post_what_is_due(poller *p) {
    static char body[4096];
    size_t len = 0;
    if (p->posting || !(p->pong_due || p->echo_due || p->leave_due)) return;
    if (p->leave_due) body[len++] = '1';
    p->left = p->leave_due;
    if (p->pong_due) body[len++] = '3';
    if (p->pong_due && p->echo_due) body[len++] = 0x1e;
    if (p->echo_due) {
        memcpy(body + len, emission, emission_len);
        len += emission_len;
        p->sent_at = now_ns();
    }
    p->pong_due = p->echo_due = false;
    p->posting = true;
    request(p, p->post, "POST", body, len);
}

static void packet(poller *p, const char *text, size_t len) {
    if (len == 1 && text[0] == '2') {
        p->pong_due = true;
    } else if (len == expected_len && !memcmp(text, expected, len)) {
        delivered(p->sent_at, now_ns());
        p->echo_due = true;
    } else if (!p->connected && len > 2 && !memcmp(text, "40", 2)) {
        p->connected = true;
        connected_count++;
        if (!visiting) return;
        delivered(p->sent_at, now_ns());
        p->leave_due = true;
    } else {
        complain("poller %d: unexpected %.*s", p->index, (int)(len < 80 ? len : 80), text);
    }
}

static void go_astray(poller *p) {
    int other = opt.ports[(p->index + 1) % opt.port_count];
    conn_close(p->post);
    p->post = open_one(p, other);
    if (visiting) return; /* one connection of a visit is enough */
    conn_close(p->get);
    p->get = open_one(p, other);
}

static void visit(poller *p) {
    int port = opt.ports[p->index % opt.port_count];
    p->sid[0] = 0;
    p->connected = p->leave_due = p->left = false;
    p->sent_at = now_ns();
    p->get = open_one(p, port);
    p->post = open_one(p, port);
    request(p, p->get, "GET", NULL, 0);
}

static void polled(poller *p, const char *body, size_t len) {
    const char *sid = memmem(body, len, "\"sid\":\"", 7);
    if (!p->sid[0] && sid) {
        snprintf(p->sid, sizeof p->sid, "%.*s", (int)strcspn(sid + 7, "\""), sid + 7);
        if (opt.astray) go_astray(p);
        p->posting = true;
        request(p, p->post, "POST", "40", 2);
    } else {
        for (const char *end = body + len, *next; body < end; body = next + 1) {
            next = memchr(body, 0x1e, end - body);
            if (!next) next = end;
            packet(p, body, next - body);
        }
    }
    if (!p->leave_due) request(p, p->get, "GET", NULL, 0);
    post_what_is_due(p);
}

static void posted(poller *p, const char *body, size_t len) {
    if (len < 2 || strncasecmp(body, "ok", 2)) complain("poller %d: a POST got %.*s", p->index, (int)len, body);
    p->posting = false;
    if (p->left) {
        conn_close(p->get);
        conn_close(p->post);
        p->index += opt.clients; /* another source address and port */
        visit(p);
        return;
    }
    post_what_is_due(p);
}

/* The body, moved together if it is chunked; 0 if it is not complete, else the length of the whole answer. */
static size_t answer(const char *bytes, size_t len, const char **body, size_t *body_len) {
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = end + 4 - bytes;
    bool chunked = false;
    *body = bytes + head;
    *body_len = 0;
    for (const char *line = bytes; line < end; line = memmem(line, len, "\r\n", 2), line += 2) {
        if (!strncasecmp(line, "content-length:", 15)) *body_len = strtoul(line + 15, NULL, 10);
        if (!strncasecmp(line, "transfer-encoding: chunked", 26)) chunked = true;
    }
    if (!chunked) return len < head + *body_len ? 0 : head + *body_len;
    char *to = (char *)*body;
    for (const char *at = *body;;) { /* look first: moving what is not complete would spoil it */
        const char *line = memmem(at, bytes + len - at, "\r\n", 2);
        if (!line) return 0;
        size_t size = strtoul(at, NULL, 16);
        if (line + 4 + size > bytes + len) return 0;
        at = line + 4 + size;
        if (!size) break;
    }
    for (const char *at = *body;;) {
        size_t size = strtoul(at, NULL, 16);
        const char *data = (char *)memmem(at, bytes + len - at, "\r\n", 2) + 2;
        memmove(to, data, size);
        to += size;
        *body_len += size;
        at = data + size + 2;
        if (!size) return at - bytes;
    }
}

static size_t on_data(conn *c, const uint8_t *bytes, size_t len) {
    poller *p = c->owner;
    const char *body;
    size_t body_len, whole = answer((const char *)bytes, len, &body, &body_len);
    if (!whole) return 0;
    if (memcmp(bytes, "HTTP/1.1 200", 12)) complain("poller %d: %.60s", p->index, bytes);
    else if (c == p->get) polled(p, body, body_len);
    else posted(p, body, body_len);
    return whole;
}

static void on_close(conn *c) {
    poller *p = c->owner;
    complain("poller %d: its %s connection was closed", p->index, c == p->get ? "GET" : "POST");
    if (c == p->get) p->get = NULL;
    else p->post = NULL;
}

static conn *open_one(poller *p, int port) {
    conn *c = conn_open(port, p->index, 0, p);
    c->on_data = on_data;
    c->on_close = on_close;
    return c;
}

void mode_polling(void) {
    emission_len = payload_packet(&emission, "42[\"echo\",", "]");
    expected_len = payload_packet(&expected, "42[\"echo\",", "]");
    poller *pollers = calloc(opt.clients, sizeof *pollers);
    uint64_t deadline = now_ns() + PATIENCE_S * 1000000000ull;
    for (int i = 0; i < opt.clients; i++) {
        pollers[i].index = i;
        visit(&pollers[i]);
    }
    while (connected_count < opt.clients) {
        loop_turn(100);
        if (errors || now_ns() > deadline) {
            fprintf(stderr, "only %d of %d pollers connected\n", connected_count, opt.clients);
            exit(1);
        }
    }
    for (int i = 0; i < opt.clients; i++) {
        pollers[i].echo_due = true;
        post_what_is_due(&pollers[i]);
    }
    run_window();
}

void mode_visit(void) {
    visiting = true;
    poller *pollers = calloc(opt.clients, sizeof *pollers);
    for (int i = 0; i < opt.clients; i++) {
        pollers[i].index = i;
        visit(&pollers[i]);
    }
    run_window();
}
