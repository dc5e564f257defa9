/*
 * A session of IP-HTTPS from the client's end, up to its packets; with session_release it no longer blocks, and records go
 * to memory, so that many of them can be sent by one system call.
 */

#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define NAME "gateway.example"
#define REQUEST "POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: " NAME "\r\n\r\n"

void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* Has all the files open that the system allows. */
void many_files(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* The files are those of the authority, the certificate and the key. */
SSL_CTX *session_context(char **files)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    if (!made || SSL_CTX_load_verify_locations(made, files[0], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(made, files[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, files[2], SSL_FILETYPE_PEM) != 1)
        fail("files");
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(made, 1); /* one system call for many short records */
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return made;
}

void session_open(struct opened *opened, SSL_CTX *context, const struct sockaddr_in6 *server)
{
    const int on = 1;
    size_t length = 0;
    const char *end;
    opened->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (opened->fd < 0)
        fail("socket");
    setsockopt(opened->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(opened->fd, (const struct sockaddr *)server, sizeof *server))
        fail("connect");
    opened->tls = SSL_new(context);
    SSL_set_fd(opened->tls, opened->fd);
    SSL_set_tlsext_host_name(opened->tls, NAME);
    SSL_set1_host(opened->tls, NAME);
    if (SSL_connect(opened->tls) != 1)
        fail("handshake");
    if (SSL_write(opened->tls, REQUEST, sizeof REQUEST - 1) <= 0)
        fail("request");
    opened->head[0] = 0;
    while (!(end = strstr(opened->head, "\r\n\r\n"))) {
        const int got = SSL_read(opened->tls, opened->head + length, (int)(HEAD - length));
        if (got <= 0)
            fail("answer");
        length += (size_t)got;
        opened->head[length] = 0;
    }
    if (!strstr(opened->head, " 200 "))
        fail(opened->head);
    opened->rest = (const unsigned char *)end + 4;
    opened->length = length - (size_t)(end + 4 - opened->head);
}

void session_release(const struct opened *opened)
{
    SSL_set0_wbio(opened->tls, BIO_new(BIO_s_mem()));
    fcntl(opened->fd, F_SETFL, O_NONBLOCK);
}
