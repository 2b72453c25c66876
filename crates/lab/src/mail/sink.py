"""A mail server that keeps what it gets: one JSON line a mail on standard output. Ends with its standard input."""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
later = set()


class Sink:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        name = address.split("@")[0]
        if name == "reject":
            return "550 5.1.1 nobody of that name\x1b[31m here"
        if name == "later" and address not in later:
            later.add(address)
            return "451 4.7.1 come back later"
        if name == "slow":
            await asyncio.sleep(30)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: next(
            (p.get_content() for p in message.walk() if p.get_content_type() == kind), ""
        )
        keep(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": str(message["subject"] or ""),
                "text": part("text/plain").replace("\r\n", "\n"),
                "html": part("text/html").replace("\r\n", "\n"),
                "headers": [[name, str(value)] for name, value in message.items()],
                "raw": envelope.content.decode("utf-8", "replace"),
                "encrypted": session.ssl is not None or options["security"] == "tls",
                "login": getattr(session, "auth_data", None),
                "peer": f"{session.peer[0]}:{session.peer[1]}",
            }
        )
        return "250 OK"


def keep(mail):
    sys.stdout.write(json.dumps(mail) + "\n")
    sys.stdout.flush()


def authenticate(server, session, envelope, mechanism, data):
    name, password = data.login.decode(), data.password.decode()
    if [name, password] == options["login"]:
        return AuthResult(success=True, auth_data=name)
    return AuthResult(success=False, handled=False)


context = None
if options["security"] != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])


def serve():
    arguments = {"hostname": "sink.test"}
    if options["security"] == "starttls":
        arguments.update(tls_context=context, require_starttls=True)
    if options["login"]:
        arguments.update(
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=options["security"] == "starttls",
        )
    return SMTP(Sink(), **arguments)


async def main():
    implicit = context if options["security"] == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", options["port"], ssl=implicit)
    keep({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
