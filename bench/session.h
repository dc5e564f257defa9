/* A session of IP-HTTPS from the client's end, up to its packets (session.c). */

#ifndef IPHTTPS_BENCH_SESSION_H
#define IPHTTPS_BENCH_SESSION_H

#include <netinet/in.h>
#include <openssl/ssl.h>

enum { HEAD = 4096 }; /* bytes of an HTTP answer, at most */

struct opened {
    SSL *tls;
    int fd;
    char head[HEAD + 1]; /* the answer, with packets behind it */
    const unsigned char *rest;
    size_t length; /* of these */
};

void fail(const char *what);
SSL_CTX *session_context(char **files);
void session_open(struct opened *opened, SSL_CTX *context, const struct sockaddr_in6 *server);
void session_release(const struct opened *opened);
void many_files(void);

#endif
