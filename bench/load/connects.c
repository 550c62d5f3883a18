/* connects.c - the mode connect: each client opens a WebSocket, joins "/", closes properly, and starts again. */
#include <stdlib.h>

#include "measure.h"
#include "modes.h"
#include "socketio.h"

static void on_ready(client *c) {
    delivered(c->opened_at, now_ns());
    client_close(c);
}

/* The server closes the connection once the close handshake is done. */
static void on_gone(client *c) {
    c->index += opt.clients; /* another source address and port */
    client_open(c, 0);
}

void mode_connect(void) {
    client *clients = calloc(opt.clients, sizeof *clients);
    for (int i = 0; i < opt.clients; i++) {
        clients[i].index = i;
        clients[i].on_ready = on_ready;
        clients[i].on_gone = on_gone;
        client_open(&clients[i], 0);
    }
    run_window();
}
