/* payload.c - see payload.h. Plain ASCII, keys and numbers that every JSON writer prints alike. */
#include "payload.h"

#include <stdlib.h>
#include <string.h>

#include "measure.h"

static const char SMALL[] = "{\"from\":\"ada\",\"text\":\"The quick brown fox jumps over the lazy dog\",\"n\":42}";

size_t payload_packet(char **packet, const char *head, const char *tail) {
    size_t head_len = strlen(head), tail_len = strlen(tail);
    size_t len = opt.bytes > 2 ? (size_t)opt.bytes : sizeof SMALL - 1;
    char *to = *packet = malloc(head_len + len + tail_len + 1);
    memcpy(to, head, head_len);
    if (opt.bytes > 2) {
        memset(to + head_len, 'x', len);
        to[head_len] = to[head_len + len - 1] = '"';
    } else {
        memcpy(to + head_len, SMALL, len);
    }
    memcpy(to + head_len + len, tail, tail_len + 1);
    return head_len + len + tail_len;
}
