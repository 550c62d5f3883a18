/* loop.c - see loop.h. Level-triggered; one read for each readable connection in a turn. */
#define _GNU_SOURCE
#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20, EVENTS = 512, SOURCES = 16 };

static int epoll = -1;
static uint8_t input[READ_BYTES];
static conn *dead;
static bool told, watching_stdin;

static void fatal(const char *what) {
    perror(what);
    exit(1);
}

static uint8_t *reserve(uint8_t *bytes, size_t *cap, size_t need) {
    if (need <= *cap) return bytes;
    size_t size = *cap ? *cap : 256;
    while (size < need) size *= 2;
    bytes = realloc(bytes, size);
    if (!bytes) fatal("realloc");
    *cap = size;
    return bytes;
}

static void watch(conn *c) {
    struct epoll_event event = {.data.ptr = c};
    event.events = (c->deaf ? 0 : EPOLLIN) | (c->waiting ? EPOLLOUT : 0);
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) fatal("epoll_ctl");
}

void loop_start(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fatal("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    /* A regular file or /dev/null cannot be watched: then nobody will tell us anything. */
    watching_stdin = epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event) == 0;
}

bool loop_told(void) { return told || !watching_stdin; }

conn *conn_open(int port, int source, int receive_bytes, void *owner) {
    conn *c = calloc(1, sizeof *c);
    if (!c) fatal("calloc");
    c->owner = owner;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fatal("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receive_bytes) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    /* The port is chosen at connect, by the whole four-tuple: 16 times as many can be in TIME_WAIT. */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source % SOURCES);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0) fatal("bind");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) fatal("connect");
    c->waiting = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fatal("epoll_ctl");
    return c;
}

void conn_close(conn *c) {
    if (c->fd < 0) return;
    close(c->fd);
    c->fd = -1;
    c->next_dead = dead; /* this turn's events may still name it */
    dead = c;
}

static void lose(conn *c) {
    if (c->fd < 0) return;
    conn_close(c);
    if (c->on_close) c->on_close(c);
}

void conn_send(conn *c, const void *bytes, size_t len) {
    if (!c || c->fd < 0) return;
    c->out = reserve(c->out, &c->out_cap, c->out_len + len);
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

void conn_flush(conn *c) {
    if (!c || c->fd < 0 || c->waiting) return;
    while (c->out_off < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) return; /* the read side reports the loss */
            c->waiting = true;
            watch(c);
            return;
        }
        c->out_off += n;
    }
    c->out_len = c->out_off = 0;
}

void conn_deafen(conn *c) {
    c->deaf = true;
    watch(c);
}

static void writable(conn *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lose(c);
        return;
    }
    c->waiting = false;
    conn_flush(c);
    if (c->fd >= 0 && !c->waiting) watch(c);
}

static void readable(conn *c) {
    ssize_t n = recv(c->fd, input, READ_BYTES, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        lose(c);
        return;
    }
    const uint8_t *bytes = input;
    size_t len = n;
    if (c->rest_len) {
        c->rest = reserve(c->rest, &c->rest_cap, c->rest_len + len);
        memcpy(c->rest + c->rest_len, input, len);
        bytes = c->rest;
        len += c->rest_len;
    }
    size_t used = c->on_data(c, bytes, len);
    size_t left = len - used;
    if (left) {
        c->rest = reserve(c->rest, &c->rest_cap, left);
        memmove(c->rest, bytes + used, left);
    }
    c->rest_len = left;
    if (c->out_len) conn_flush(c);
}

static void bury(void) {
    while (dead) {
        conn *c = dead;
        dead = c->next_dead;
        free(c->rest);
        free(c->out);
        free(c);
    }
}

void loop_turn(int timeout_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        conn *c = events[i].data.ptr;
        if (!c) {
            char line[64];
            if (read(0, line, sizeof line) <= 0) epoll_ctl(epoll, EPOLL_CTL_DEL, 0, NULL);
            told = true;
            continue;
        }
        if (c->fd >= 0 && events[i].events & EPOLLOUT) writable(c);
        if (c->fd >= 0 && events[i].events & (EPOLLERR | EPOLLHUP) && c->deaf) lose(c);
        else if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(c);
    }
    bury();
}
