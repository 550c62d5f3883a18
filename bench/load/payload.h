/* payload.h - what the events carry. */
#ifndef PAYLOAD_H
#define PAYLOAD_H
#include <stddef.h>

/* Allocates head + payload + tail, the payload being opt.bytes long (0: the small chat message); its length. */
size_t payload_packet(char **packet, const char *head, const char *tail);
#endif
