import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.errors import ConfigError, PrivacyError
from clinspan.llms.spec import permitted


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v1",
        "http://127.9.9.9",
        "http://[::1]:8080/v1",
        "https://localhost:8443/v1",
        "HTTP://LOCALHOST/v1",
        "http://localhost.:8080/v1",
    ],
)
def test_this_machine(url):
    address = permitted(url, allow_remote=False)
    assert address.local
    assert address.url == url
    assert address.socket is None


@pytest.mark.parametrize(
    ("url", "path"), [("unix:/run/llm.sock", "/run/llm.sock"), ("unix:///tmp/a b.sock", "/tmp/a b.sock")]
)
def test_a_unix_socket(url, path):
    address = permitted(url, allow_remote=False)
    assert (address.local, address.socket, str(address)) == (True, path, f"unix:{path}")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("http://localhost.evil.com/v1", "localhost.evil.com"),
        ("http://127.0.0.1.nip.io/v1", "127.0.0.1.nip.io"),
        ("http://localhost.localdomain", "localhost.localdomain"),
        ("http://0x7f000001/v1", "0x7f000001"),
        ("http://0x7f.1/v1", "0x7f.1"),
        ("http://2130706433/v1", "2130706433"),
        ("http://127.1/v1", "127.1"),
        ("http://0177.0.0.1/v1", "0177.0.0.1"),
        ("http://0.0.0.0:8080/v1", "0.0.0.0"),
        ("http://192.168.1.4:8000/v1", "192.168.1.4"),
        ("http://[::ffff:192.168.1.4]/v1", "::ffff:192.168.1.4"),
        ("http://[fe80::1]/v1", "fe80::1"),
    ],
)
def test_elsewhere_needs_the_users_word(url, host):
    with pytest.raises(PrivacyError) as caught:
        permitted(url, allow_remote=False)
    assert f"they would be sent to {host}, which is not an address of it" in str(caught.value)
    assert "the notes would leave this machine" in str(caught.value)
    assert "--allow-remote" in str(caught.value)
    assert not permitted(url, allow_remote=True).local


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://127.0.0.1",
        "http://",
        "http:///v1",
        "http://127.0.0.1@evil.com/v1",
        "http://key:secret@127.0.0.1/v1",
        "http://127.0.0.1\\@evil.com/v1",
        "http://evil.com#@127.0.0.1/v1",
        "http://127.0.0.1#.evil.com/v1",
        "http://127.0.0.1/v1?to=evil.com",
        "http://127.0.0.1 .evil.com/",
        "http://127.0.0.1\t/v1",
        "http://127.0.0.1/v1\n",
        "http://１２７.0.0.1/v1",
        "http://localhost。evil.com/",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:80:80/v1",
        "http://[::1/v1",
        "http://[::1%25eth0]/v1",
        "unix:relative.sock",
    ],
)
@pytest.mark.parametrize("allow_remote", [False, True])
def test_what_could_be_read_in_two_ways_is_refused(url, allow_remote):
    with pytest.raises(ConfigError) as caught:
        permitted(url, allow_remote=allow_remote)
    assert "secret" not in str(caught.value)


@given(st.text(alphabet="127.0localhost[]:@/\\#?x evil", max_size=30))
def test_what_is_local_is_contacted_on_this_machine(rest):
    """Whatever the HTTP client makes of an address that passed is a loopback host."""
    import httpx2

    try:
        address = permitted("http://" + rest, allow_remote=False)
    except (ConfigError, PrivacyError):
        return
    host = httpx2.URL(address.url).host
    assert host.rstrip(".") == "localhost" or host == "::1" or host.startswith("127.")


def test_a_localhost_that_is_another_machine(monkeypatch):
    def elsewhere(host, port, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(PrivacyError):
        permitted("http://localhost:8080/v1", allow_remote=False)
