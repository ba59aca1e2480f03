"""Real mail servers for the tests: pymap (in the default suite), Debian's Dovecot and Postfix (marked `servers`).

How they are run
----------------
Everything lives in a short folder of its own under the system's temporary folder, because Unix sockets take at most 108
characters of path and the servers' own users must be able to enter it. All ports are on loopback and above 1024.

- **pymap** is started by its own command with its in-memory backend and one user. It drops keywords and stops answering
  for good after a mail nested 2,000 deep, so such mail is tried against Dovecot.
- **Dovecot** runs in the foreground (`dovecot -F -c FILE`) as root, as it must to change users; its mail belongs to
  `nobody`. Any address may log in with `PASSWORD`; a mailbox appears with its first mail. LMTP listens on a port of its
  own; `user+detail@` goes to `user@`, and `Delivered-To` keeps the detail.
- **Postfix** needs a configuration folder, a queue and a data folder of its own (`postfix -c FOLDER start`), and root.
  It takes every domain as its own and hands all mail to Dovecot by LMTP, without looking anything up. It does not fork
  under the test: its own command ends it. There is no system service and none is needed.

Install with `apt-get install -y --no-install-recommends dovecot-imapd dovecot-lmtpd postfix`; a test that asks for a
server that is not there skips by name.
"""

import contextlib
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.settings import ImapUrl

PASSWORD = "a-password"
SUPPORT = "support@parley.example"


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, greeting: bytes = b"", within_s: float = 20.0) -> None:
    """Returns when a server on that port greets; raises TimeoutError."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            if connection.recv(200).startswith(greeting):
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing greets on port {port}")


def _folder(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"parley-{name}-"))
    folder.chmod(0o755)
    return folder


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


# --- pymap ------------------------------------------------------------------------------------------------------------


@dataclass
class Pymap:
    """A running pymap: one user, one mailbox in memory."""

    port: int
    process: "subprocess.Popen[bytes]"

    def url(self, folder: str = "INBOX") -> ImapUrl:
        return ImapUrl("127.0.0.1", self.port, "support", PASSWORD, folder, False)


@contextlib.contextmanager
def pymap(port: int | None = None) -> Iterator[Pymap]:
    """pymap as a child process, stopped at the end; with a `port` it can be started again in the same place."""
    port = port or free_port()
    command = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1", "--port", str(port), "--no-tls"]
    command += ["--no-service", "managesieve", "--no-service", "admin"]
    command += ["dict", "--demo-user", "support", "--demo-password", PASSWORD, "--demo-data"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, b"* OK")
        yield Pymap(port, process)
    finally:
        _ended(process)


# --- Dovecot ----------------------------------------------------------------------------------------------------------


@dataclass
class Dovecot:
    """A running Dovecot. Every address is a user; `lmtp` delivers to any."""

    folder: Path
    imap_port: int
    lmtp_port: int
    process: "subprocess.Popen[bytes]"

    def url(self, user: str = SUPPORT, folder: str = "INBOX") -> ImapUrl:
        return ImapUrl("127.0.0.1", self.imap_port, user, PASSWORD, folder, False)

    def deliver(self, raw: bytes, to: str = SUPPORT, sender: str = "sender@worker.example") -> None:
        """Hands a mail in by LMTP; returns when Dovecot has taken it."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as door:
            door.sendmail(sender, [to], raw)

    def log(self) -> str:
        """What Dovecot logged, for a test that failed."""
        return (self.folder / "log").read_text(errors="replace")


def needs(*programs: str) -> None:
    """Skips the test by name where a server is not installed, or we are not root, whom both servers need."""
    for program in programs:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/dovecot") is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip(f"{programs[0]} can only be run by root")


@contextlib.contextmanager
def dovecot() -> Iterator[Dovecot]:
    """Dovecot in the foreground, as a child; stopped and removed at the end."""
    needs("dovecot", "lmtp")
    folder, imap_port, lmtp_port = _folder("dovecot"), free_port(), free_port()
    (folder / "mail").mkdir()
    shutil.chown(folder / "mail", "nobody")
    configuration = folder / "dovecot.conf"
    configuration.write_text(
        textwrap.dedent(f"""\
            base_dir = {folder}/run
            state_dir = {folder}/state
            log_path = {folder}/log
            protocols = imap lmtp
            listen = 127.0.0.1
            ssl = no
            disable_plaintext_auth = no
            first_valid_uid = 1
            mail_uid = nobody
            mail_gid = nogroup
            mail_home = {folder}/mail/%Lu
            mail_location = maildir:~/Maildir
            recipient_delimiter = +
            lmtp_hdr_delivery_address = original
            lmtp_add_received_header = yes
            auth_username_chars =
            mail_max_userip_connections = 100
            passdb {{
              driver = static
              args = password={PASSWORD}
            }}
            userdb {{
              driver = static
              args = uid=nobody gid=nogroup home={folder}/mail/%Lu allow_all_users=yes
            }}
            namespace inbox {{
              inbox = yes
            }}
            service imap-login {{
              chroot =
              inet_listener imap {{
                address = 127.0.0.1
                port = {imap_port}
              }}
              inet_listener imaps {{
                port = 0
              }}
            }}
            service lmtp {{
              inet_listener lmtp {{
                address = 127.0.0.1
                port = {lmtp_port}
              }}
            }}
            service anvil {{
              chroot =
            }}
            service stats {{
              chroot =
            }}
            """)
    )
    program = shutil.which("dovecot", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", "")) or "dovecot"
    process = subprocess.Popen([program, "-F", "-c", str(configuration)])
    try:
        wait_for_port(imap_port, b"* OK")
        wait_for_port(lmtp_port, b"220")
        yield Dovecot(folder, imap_port, lmtp_port, process)
    finally:
        _ended(process)
        shutil.rmtree(folder, ignore_errors=True)


# --- Postfix ----------------------------------------------------------------------------------------------------------


@dataclass
class Postfix:
    """A running Postfix that hands every mail, whatever its domain, to a Dovecot by LMTP."""

    folder: Path
    port: int

    def send(self, raw: bytes, to: str = SUPPORT, sender: str = "sender@worker.example") -> None:
        """Hands a mail in by SMTP; Postfix has queued it when this returns."""
        with smtplib.SMTP("127.0.0.1", self.port) as door:
            door.sendmail(sender, [to], raw)

    def log(self) -> str:
        """What Postfix logged, for a test that failed."""
        log = self.folder / "maillog"
        return log.read_text(errors="replace") if log.exists() else ""


@contextlib.contextmanager
def postfix(lmtp_port: int, hostname: str = "mx.parley.example") -> Iterator[Postfix]:
    """Postfix with folders of its own, delivering by LMTP to that port; stopped and removed at the end."""
    needs("postfix")
    folder, port = _folder("postfix"), free_port()
    for name, owner in (("queue", "root"), ("state", "postfix"), ("etc", "root")):
        (folder / name).mkdir()
        shutil.chown(folder / name, owner)
    (folder / "etc" / "main.cf").write_text(
        textwrap.dedent(f"""\
            compatibility_level = 3.6
            queue_directory = {folder}/queue
            data_directory = {folder}/state
            maillog_file = {folder}/maillog
            maillog_file_prefixes = {tempfile.gettempdir()}
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            mail_owner = postfix
            setgid_group = postdrop
            myhostname = {hostname}
            myorigin = {hostname}
            mydestination =
            local_recipient_maps =
            alias_maps =
            alias_database =
            inet_interfaces = loopback-only
            inet_protocols = ipv4
            mynetworks = 127.0.0.0/8
            virtual_mailbox_domains = static:all
            virtual_mailbox_maps = static:all
            virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
            smtpd_relay_restrictions = permit_mynetworks, reject
            smtpd_peername_lookup = no
            smtp_dns_support_level = disabled
            smtp_host_lookup = native
            message_size_limit = 52428800
            mailbox_size_limit = 0
            append_dot_mydomain = no
            biff = no
            """)
    )
    (folder / "etc" / "master.cf").write_text(
        textwrap.dedent(f"""\
            127.0.0.1:{port} inet n - n - - smtpd
            pickup unix n - n 60 1 pickup
            cleanup unix n - n - 0 cleanup
            qmgr unix n - n 300 1 qmgr
            rewrite unix - - n - - trivial-rewrite
            bounce unix - - n - 0 bounce
            defer unix - - n - 0 bounce
            trace unix - - n - 0 bounce
            verify unix - - n - 1 verify
            flush unix n - n 1000? 0 flush
            proxymap unix - - n - - proxymap
            smtp unix - - n - - smtp
            relay unix - - n - - smtp
            showq unix n - n - - showq
            error unix - - n - - error
            retry unix - - n - - error
            discard unix - - n - - discard
            local unix - n n - - local
            virtual unix - n n - - virtual
            lmtp unix - - n - - lmtp
            anvil unix - - n - 1 anvil
            scache unix - - n - 1 scache
            postlog unix-dgram n - n - 1 postlogd
            """)
    )
    program = shutil.which("postfix", path="/usr/sbin:" + os.environ.get("PATH", "")) or "postfix"
    command = [program, "-c", str(folder / "etc")]
    started = subprocess.run([*command, "start"], capture_output=True, text=True, check=False)
    if started.returncode:
        raise RuntimeError(f"postfix did not start: {started.stdout}{started.stderr}")
    try:
        wait_for_port(port, b"220")
        yield Postfix(folder, port)
    finally:
        subprocess.run(
            [*command, "abort"], capture_output=True, check=False
        )  # "stop" waits five seconds for no reason of ours.
        shutil.rmtree(folder, ignore_errors=True)
