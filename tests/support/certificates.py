"""Certificates made by the openssl command, and contexts that use them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

PASSWORD = "open sesame"

_EXTENSIONS = """
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
[elsewhere]
subjectAltName = DNS:elsewhere.example
authorityKeyIdentifier = keyid
[client]
subjectAltName = DNS:client.example
authorityKeyIdentifier = keyid
"""


class Certificates:
    """An authority; `server`, `elsewhere` and `client` certificates that it has signed.

    Each is a PEM file with a key and a certificate.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file("extensions.cnf").write_text(_EXTENSIONS)
        self._make_request("authority")
        self._sign("authority", "-signkey", self._name("authority.key"))
        for name in ("server", "elsewhere", "client"):
            self._make_request(name)
            self._sign(
                *(name, "-CA", self._name("authority.pem"), "-CAkey", self._name("authority.key")),
                *("-set_serial", str(len(name))),
            )
        self.authority = self._name("authority.pem")
        self.server = self._name("server.pem")
        self.elsewhere = self._name("elsewhere.pem")
        self.client = self._name("client.pem")
        self.encrypted_key = self._name("encrypted.key")
        _openssl(
            *("ec", "-aes128", "-in", self._name("server.key"), "-out", self.encrypted_key),
            *("-passout", f"pass:{PASSWORD}"),
        )

    def _file(self, name: str) -> Path:
        return self._directory / name

    def _name(self, name: str) -> str:
        return str(self._file(name))

    def _make_request(self, name: str) -> None:
        _openssl(
            *("req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", self._name(f"{name}.key"), "-out", self._name(f"{name}.request")),
            *("-subj", f"/CN={name}"),
        )

    def _sign(self, name: str, *signer: str) -> None:
        _openssl(
            *("x509", "-req", "-in", self._name(f"{name}.request"), "-days", "2", *signer),
            *("-extfile", self._name("extensions.cnf"), "-extensions", name),
            *("-out", self._name(f"{name}.crt")),
        )
        both = self._file(f"{name}.key").read_bytes() + self._file(f"{name}.crt").read_bytes()
        self._file(f"{name}.pem").write_bytes(both)

    def for_server(self, certificate: str | None = None) -> ssl.SSLContext:
        """A new context of a server that has a certificate for localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or self.server)
        return context

    def for_client(self) -> ssl.SSLContext:
        """A new context of a client that trusts the authority and checks names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        return context


def _openssl(*arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True
    )
