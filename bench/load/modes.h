/* modes.h - the kinds of load; each sets its clients going, then measures or holds. */
#ifndef MODES_H
#define MODES_H
/* Client 0 emits "go", the server emits "news" to all; opt.inflight at a time. With opt.everywhere the servers know
 * nothing of each other: one client of each emits. */
void mode_broadcast(void);
void mode_echo(void);      /* each client emits "echo", opt.inflight at a time, and gets "echo" back */
void mode_ack(void);       /* the same with an acknowledgement instead of an event */
void mode_connect(void);   /* opt.clients at a time: handshake, namespace, close, again */
void mode_polling(void);   /* echo over HTTP long-polling, one event in flight for each client */
void mode_visit(void);     /* opt.clients at a time, over long-polling: handshake, namespace, close, again */
void mode_idle(void);      /* connects, if opt.big sends one large event each, and holds */
void mode_pings(void);     /* one client sends opt.bytes of pings and reads nothing, and holds */
#endif
