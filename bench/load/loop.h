/* loop.h - one epoll loop and its TCP connections to the server under load.
 * It moves bytes: it does not know HTTP, WebSocket or Socket.IO. */
#ifndef LOOP_H
#define LOOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct conn conn;
struct conn {
    int fd;        /* -1 once closed; the memory stays until the turn ends */
    void *owner;   /* the client that it belongs to */
    bool deaf;     /* does not read: the kernel's buffers fill up, then the server's */
    /* Gets all input that was not consumed yet; returns how much it consumed. */
    size_t (*on_data)(conn *, const uint8_t *, size_t);
    void (*on_close)(conn *); /* the other side closed it, or it failed */
    uint8_t *rest, *out;
    size_t rest_len, rest_cap, out_len, out_off, out_cap;
    bool waiting; /* for EPOLLOUT: connecting, or the kernel's buffer is full */
    conn *next_dead;
};

/* source spreads connections over 127.0.0.1, 127.0.0.2, ... so that closed ones never use up the ports.
 * receive_bytes is SO_RCVBUF, 0 for the kernel's choice. */
conn *conn_open(int port, int source, int receive_bytes, void *owner);
void conn_send(conn *, const void *, size_t); /* queues (NULL: nothing); leaves with conn_flush or after on_data */
void conn_flush(conn *);
void conn_deafen(conn *);
void conn_close(conn *);

void loop_start(void);
void loop_turn(int timeout_ms);
bool loop_told(void); /* a line, or the end, arrived on standard input */
#endif
