/* socketio.h - a Socket.IO 5 client over a WebSocket (RFC 6455, Engine.IO 4), in "/".
 * It answers pings; it does not know what the events mean. */
#ifndef SOCKETIO_H
#define SOCKETIO_H
#include "loop.h"

typedef struct client client;
struct client {
    conn *conn; /* NULL once lost */
    int index;
    enum { HEAD, OPEN, CONNECT, READY, CLOSING } state;
    uint64_t opened_at, sent, received;
    uint64_t sent_at[64]; /* of the packets in flight */
    void (*on_ready)(client *);                            /* the namespace is connected */
    void (*on_packet)(client *, const char *, size_t);     /* "2[...]" or "3<id>[...]" */
    void (*on_gone)(client *);                             /* closed by the server */
};

enum { PING = 0x9, CLOSE = 0x8, TEXT = 0x1 };

size_t frame(uint8_t *to, int opcode, const char *payload, size_t len); /* masked; at most 14 bytes longer */
void client_open(client *, int receive_bytes);
void client_send(client *, const char *text, size_t len);
void client_close(client *);
/* Opens them all, some at a time, until each is READY. */
void clients_connect(client *, int count);
#endif
