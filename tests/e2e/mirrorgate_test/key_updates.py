"""A peer that does in TLS 1.3 what Python's ssl cannot: it asks for new keys, over and over.

Each KeyUpdate that requests one makes the gateway answer, so a client that never reads makes it
write without end. The calls go to libssl itself; what they want to send is kept apart from the
socket, so that nothing here waits.
"""

import ctypes
import select

_UPDATE_REQUESTED = 1
_FILETYPE_PEM = 1
_BATCH = 500  # updates between two looks at the socket

_ssl = ctypes.CDLL("libssl.so.3")
_crypto = ctypes.CDLL("libcrypto.so.3")


def _declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_pointer, _int, _text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_method = _declare(_ssl, "TLS_client_method", _pointer)
_context_new = _declare(_ssl, "SSL_CTX_new", _pointer, _pointer)
_context_free = _declare(_ssl, "SSL_CTX_free", None, _pointer)
_use_certificate = _declare(_ssl, "SSL_CTX_use_certificate_file", _int, _pointer, _text, _int)
_use_key = _declare(_ssl, "SSL_CTX_use_PrivateKey_file", _int, _pointer, _text, _int)
_new = _declare(_ssl, "SSL_new", _pointer, _pointer)
_free = _declare(_ssl, "SSL_free", None, _pointer)
_set_fd = _declare(_ssl, "SSL_set_fd", _int, _pointer, _int)
_connect = _declare(_ssl, "SSL_connect", _int, _pointer)
_server_method = _declare(_ssl, "TLS_server_method", _pointer)
_accept = _declare(_ssl, "SSL_accept", _int, _pointer)
_handshake = _declare(_ssl, "SSL_do_handshake", _int, _pointer)
_key_update = _declare(_ssl, "SSL_key_update", _int, _pointer, _int)
_write = _declare(_ssl, "SSL_write", _int, _pointer, _text, _int)
_set_output = _declare(_ssl, "SSL_set0_wbio", None, _pointer, _pointer)
_memory = _declare(_crypto, "BIO_s_mem", _pointer)
_bio_new = _declare(_crypto, "BIO_new", _pointer, _pointer)
_bio_read = _declare(_crypto, "BIO_read", _int, _pointer, _pointer, _int)


class KeyUpdater:
    """A TLS connection over the TCP connection SOCK, which it owns from now on, as IDENTITY: the
    client, or the server that ACCEPTS it."""

    def __init__(self, sock, identity, *, accepts=False):
        self._sock = sock
        sock.settimeout(None)
        self._context = _context_new(_server_method() if accepts else _method())
        certificate, key = str(identity.cert).encode(), str(identity.key).encode()
        assert _use_certificate(self._context, certificate, _FILETYPE_PEM) == 1
        assert _use_key(self._context, key, _FILETYPE_PEM) == 1
        self._tls = _new(self._context)
        assert _set_fd(self._tls, sock.fileno()) == 1
        assert (_accept if accepts else _connect)(self._tls) == 1
        self._output = _bio_new(_memory())
        _set_output(self._tls, self._output)
        self._waiting = b""
        sock.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _free(self._tls)
        _context_free(self._context)
        self._sock.close()

    def write(self, data):
        """Encrypts DATA, to be sent after all that waits already."""
        assert _write(self._tls, data, len(data)) == len(data)

    def ask_by_half(self):
        """Asks for new keys, and sends the first half of the record that says so."""
        assert _key_update(self._tls, _UPDATE_REQUESTED) == 1
        assert _handshake(self._tls) == 1
        record = ctypes.create_string_buffer(1 << 10)
        size = _bio_read(self._output, record, len(record))
        self._sock.sendall(record.raw[: size // 2])

    def wait_end(self, patience):
        """Waits until the other side closes; False when it says nothing for PATIENCE seconds."""
        while select.select([self._sock], [], [], patience)[0]:
            try:
                if not self._sock.recv(1 << 16):
                    return True
            except ConnectionResetError:
                return True
        return False

    def send(self, patience):
        """Sends what waits; False when the other side took nothing for PATIENCE seconds."""
        buffer = ctypes.create_string_buffer(1 << 20)
        while (size := _bio_read(self._output, buffer, len(buffer))) > 0:
            self._waiting += buffer.raw[:size]
        while self._waiting:
            if not select.select([], [self._sock], [], patience)[1]:
                return False
            self._waiting = self._waiting[self._sock.send(self._waiting) :]
        return True

    def update(self, times):
        """Asks for new keys TIMES times; nothing is sent yet."""
        for _ in range(times):
            assert _key_update(self._tls, _UPDATE_REQUESTED) == 1
            assert _handshake(self._tls) == 1

    def flood(self, updates, patience):
        """Asks for new keys UPDATES times; returns how often, less when the other side took
        nothing for PATIENCE seconds."""
        for done in range(0, updates, _BATCH):
            self.update(_BATCH)
            if not self.send(patience):
                return done
        return updates
